"""A real PostgreSQL on a free loopback port, for as long as a `with` block lasts.

`apt-get install postgresql` brings it on Debian; EVA_GRAPH_POSTGRES names another folder that
holds `initdb` and `pg_ctl`. The server refuses to run as root: there it runs as `nobody`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vllm_server import free_port

_DEBIAN = Path("/usr/lib/postgresql")


@contextmanager
def postgres_serving() -> Iterator[str]:
    """Yields the address of an empty database.

    Raises:
        RuntimeError: no server is installed.
    """
    programs, user = _programs(), "nobody" if os.geteuid() == 0 else None
    # Not below pytest's folders, which other users may not enter.
    folder = Path(tempfile.mkdtemp(prefix="eva-graph-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    settings = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "--pgdata", str(data), *arguments]
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, check=True, user=user, cwd="/", stdout=log, stderr=log)

    try:
        run("initdb", "--username=eva", "--auth=trust", "--encoding=UTF8", "--no-sync")
        run("pg_ctl", "start", "--wait", f"--options={settings}")
        yield f"postgresql://eva@127.0.0.1:{port}/postgres"
        run("pg_ctl", "stop", "--mode=fast")
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "stop", "--mode=immediate")
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.log").unlink()


def _programs() -> Path:
    named = os.environ.get("EVA_GRAPH_POSTGRES")
    found = [Path(named)] if named else sorted(_DEBIAN.glob("*/bin"))
    if not found or not (found[-1] / "initdb").exists():
        raise RuntimeError("apt-get install postgresql, or name its folder in EVA_GRAPH_POSTGRES")
    return found[-1]

"""A real `langgraph dev` on a free loopback port, serving the project's own `langgraph.json`.

The executable is that of this environment (extra `studio`), or the one that EVA_GRAPH_LANGGRAPH
names.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vllm_server import free_port

ROOT = Path(__file__).parent.parent
START_LIMIT_SECONDS = 120
SETTINGS = {
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
    "LANGSMITH_TRACING": "false",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tools", ROOT / "training"))),
}


@contextmanager
def langgraph_serving(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Serve from a folder, which keeps what the server writes; yields its URL.

    Args:
        folder: where it runs; a copy of the project's `langgraph.json` is put there.
        environment: the `EVA_GRAPH_…` variables of the served graph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "langgraph.json", folder)
    port, log = free_port(), folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                _executable(), "dev", "--host", "127.0.0.1", "--port", str(port),
                "--no-browser", "--no-reload",
            ],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**_without_ours(), **SETTINGS, "HOME": str(folder), **environment},
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, how)
                process.wait(timeout=30)
            except (subprocess.TimeoutExpired, ProcessLookupError):
                continue


def _executable() -> str:
    named = os.environ.get("EVA_GRAPH_LANGGRAPH")
    return named or str(Path(sys.executable).with_name("langgraph"))


def _without_ours() -> dict[str, str]:
    """The environment without what the served graph or a tracer would read."""
    ours = ("EVA_GRAPH_", "LANGSMITH_", "LANGCHAIN_", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ok", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError(f"langgraph dev did not come up:\n{log.read_text(errors='replace')[-3000:]}")

"""`eva-graph app` as a process of its own, and a client of its event queue without a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

COLOURS = "talks/colours.mp4"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running page."""

    address: str
    folder: Path
    """Where the server keeps its temporary files."""

    def sessions(self) -> list[Path]:
        """Folders of the open sessions."""
        return sorted(self.folder.glob("eva-graph-app-*/page/sessions/*"))

    def uploads(self) -> list[Path]:
        """Uploaded files that no session took."""
        found = self.folder.glob("eva-graph-app-*/page/uploads/**/*")
        return sorted(path for path in found if path.is_file() and path.stat().st_size)


@contextmanager
def served_page(folder: Path, *options: str, media_root: Path | None = None) -> Iterator[Served]:
    """A page that ends with the block, without a traceback and with nothing left behind."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop("EVA_GRAPH_MEDIA_ROOT", None)
    if media_root is not None:
        environment["EVA_GRAPH_MEDIA_ROOT"] = str(media_root)
    process = subprocess.Popen(
        [sys.executable, "-m", "eva_graph.cli", "app", "--port", "0", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline().strip()
    try:
        assert said.startswith("http://127.0.0.1:"), said + process.stderr.read()
        yield Served(address=said.rstrip("/"), folder=folder)
    finally:
        process.terminate()
        out, told = process.communicate(timeout=60)
    assert not out, out
    assert "Traceback" not in told, told
    assert list(folder.glob("eva-graph-app-*")) == []


class Visitor:
    """One page's session, driven as its script drives it."""

    def __init__(self, client: httpx2.Client, session_hash: str) -> None:
        self._client = client
        self.session_hash = session_hash
        config = client.get("/config").json()
        self._functions = {each["api_name"]: each["id"] for each in config["dependencies"]}

    def join(self, name: str, *data: Any, way: str = "queue/join") -> httpx2.Response:
        """Ask for an event."""
        body = {
            "data": list(data),
            "fn_index": self._functions[name],
            "session_hash": self.session_hash,
        }
        return self._client.post(f"/gradio_api/{way}", json=body)

    def outcome(self, name: str, *data: Any) -> list[Any] | None:
        """Values of an event once it is complete; None where it failed."""
        *_, last = self._messages(name, *data)
        return last["output"]["data"] if last["success"] else None

    def _messages(self, name: str, *data: Any) -> Iterator[dict[str, Any]]:
        joined = self.join(name, *data)
        assert joined.status_code == 200, joined.text
        asked = {"session_hash": self.session_hash}
        with self._client.stream("GET", "/gradio_api/queue/data", params=asked) as events:
            for line in events.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if str(message.get("msg", "")).startswith("process_"):
                    yield message
                if message.get("msg") == "process_completed":
                    return

    def upload(self, name: str, content: bytes) -> httpx2.Response:
        """Send a file as the page does."""
        return self._client.post("/gradio_api/upload", files={"files": (name, content)})


def file_object(path: object) -> dict[str, Any]:
    """A file as Gradio's client names it."""
    return {"path": path, "orig_name": "a.mp4", "meta": {"_type": "gradio.FileData"}}

"""Runs that the page's tests share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_run import make_run

from eva_graph.trajectory import RunStore, Trajectory
from eva_graph.viewer import View, write_view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen questions on three videos, eight frames each."""
    return make_run(tmp_path_factory.mktemp("runs") / "first", 12)


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same questions, most of them looked at and answered otherwise."""
    return make_run(tmp_path_factory.mktemp("runs") / "second", 12, seed=1)


@pytest.fixture
def changed(run: Path, tmp_path: Path) -> Callable[..., Path]:
    """A run of one record: the first of `run`, changed; its frames are copied or left out."""

    def change(*, frames: bool = True, **update: Any) -> Path:
        source, store = RunStore(run), RunStore(tmp_path / "changed")
        first = next(iter(source.records()))
        store.append(Trajectory.model_validate({**first.model_dump(), **update}))
        if frames:
            store.frames.root.symlink_to(source.frames.root)
        return store.run

    return change


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., View]:
    """Writes a page about some runs."""

    def write(*runs: Path, **settings: Any) -> View:
        return write_view(runs, tmp_path / "page.html", **settings)

    return write


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one these tests fail and say how to get it."""
    from chromium import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages; in the end none of them may have told of an error or asked for anything.

    `errors` are parts of console errors that the test causes itself.
    """
    troubles: list[str] = []
    contexts = []

    def open_page(
        file: Path, *, address: str = "", errors: Sequence[str] = (), **context: Any
    ) -> Page:
        size = {"viewport": {"width": 1360, "height": 900}}
        contexts.append(browser.new_context(**{**size, **context}))
        page = contexts[-1].new_page()

        def told(text: str) -> None:
            if not any(known in text for known in errors):
                troubles.append(text)

        page.on("console", lambda message: message.type == "error" and told(message.text))
        page.on("pageerror", lambda error: told(str(error)))
        page.on("dialog", lambda dialog: (told(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: outside(request.url) and told(request.url))
        page.goto(file.as_uri() + address)
        page.wait_for_selector("#detail:not([aria-busy]) > *", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def outside(url: str) -> bool:
    """Whether an address is neither on this disk nor in the page."""
    return not url.startswith(("file:", "data:", "blob:"))


@dataclass(frozen=True)
class Calls:
    """A server that nobody should call, and what it received."""

    address: str
    received: list[str] = field(default_factory=list)


@pytest.fixture
def calls() -> Iterator[Calls]:
    """A server on this machine."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.path)
            self.send_response(200)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Calls(f"http://127.0.0.1:{server.server_port}/called", received)
        server.shutdown()
        thread.join()

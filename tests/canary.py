"""Videos, and a server, that nothing may ever touch: how the tests know that nothing did."""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np

from eva_graph_tools import Frame

MAGENTA = (255, 0, 255)
_IN_ACCESS, _IN_OPEN, _IN_ISDIR = 0x1, 0x20, 0x40000000
_EVENT = struct.Struct("=iIII")
_EVENT_BYTES = 4096


class Canary:
    """Magenta videos in a folder of their own, and an address that serves one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.video = _magenta(folder / "canary.mp4", "libx264")
        self.stream = _magenta(folder / "canary.ts", "mpeg2video")
        self.picture = _magenta(folder / "frame001.png", "png", frames=1).read_bytes()
        self.url = ""
        self.contacts: list[str] = []

    def unseen(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """The frames; fails if one shows what only a canary does."""
        for frame in frames:
            away = np.abs(frame.pixels.astype(int) - MAGENTA).mean()
            assert away > 60, f"{frame} shows a canary"
        return frames

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Fails if a file of the folder is opened meanwhile, or the address is contacted."""
        system = ctypes.CDLL(None)
        watch = system.inotify_init1(os.O_NONBLOCK)
        added = system.inotify_add_watch(watch, os.fsencode(self.folder), _IN_OPEN | _IN_ACCESS)
        assert watch >= 0
        assert added >= 0
        self.contacts.clear()
        try:
            yield
            opened = _names(_read_some(watch))
        finally:
            os.close(watch)
        assert not opened, f"a canary's file was opened: {opened}"
        assert self.contacts == [], "a canary's address was contacted"

    @contextmanager
    def served(self) -> Iterator["Canary"]:
        """Answer at `url`, and write down who calls."""
        contacts = self.contacts

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                contacts.append(str(self.client_address))
                super().setup()

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}/canary.ts"
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def _read_some(file: int) -> bytes:
    try:
        return os.read(file, _EVENT_BYTES)
    except BlockingIOError:
        return b""


def _names(events: bytes) -> list[str]:
    """Names of the files that were opened; opening the folder itself reads none."""
    names = []
    while events:
        _, mask, _, length = _EVENT.unpack_from(events)
        name, events = events[_EVENT.size :][:length], events[_EVENT.size + length :]
        if not mask & _IN_ISDIR:
            names.append(os.fsdecode(name.rstrip(b"\0")))
    return names


def _magenta(path: Path, codec: str, frames: int = 30) -> Path:
    options = {"update": "1"} if codec == "png" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 160, 96
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        pixels = np.full((96, 160, 3), MAGENTA, np.uint8)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path

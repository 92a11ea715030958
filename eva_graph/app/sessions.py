"""What each open page owns on the server: a folder with its videos and its run.

A session is known to Gradio by its hash and to the page's links by a token that nobody can guess.
Closing one ends its question and removes its folder.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eva_graph.app.chosen import ChosenVideo

_VIDEOS = "videos"
_RUN = "run"


@dataclass(slots=True)
class Session:
    """One open page."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    choosing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a video is opened: a question that comes meanwhile waits for it."""
    video: ChosenVideo | None = None
    asking: asyncio.Task[None] | None = None
    """The question that is being answered."""
    trajectory_id: str | None = None
    """The last question's episode."""
    closed: bool = False

    @property
    def run(self) -> Path:
        """The run directory of the last question."""
        return self.folder / _RUN

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self.asking is not None and not self.asking.done()

    def stop(self) -> None:
        """End the question, if one is being answered."""
        if self.asking is not None:
            self.asking.cancel()

    def fresh_videos(self) -> Path:
        """An empty folder for the next video; the one before is removed with its file."""
        return _emptied(self.folder / _VIDEOS)

    def fresh_run(self) -> Path:
        """An empty run directory for the next question."""
        self.trajectory_id = None
        return _emptied(self.run)

    def close(self) -> None:
        """End the question and remove the folder."""
        self.closed = True
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """The sessions of one server, at most so many. Safe for threads."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        """`folder` is the server's own; each session gets one of its own in it."""
        self.folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._by_hash: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_hash)

    def of(self, session_hash: str) -> Session:
        """The session of a page, begun if need be; beyond the limit the oldest idle one ends."""
        with self._lock:
            session = self._by_hash.get(session_hash)
            if session is None:
                folder = self.folder / secrets.token_hex(12)
                folder.mkdir(parents=True)
                session = self._by_hash[session_hash] = Session(folder)
            self._by_hash.move_to_end(session_hash)
            surplus = self._surplus()
        for old in surplus:
            old.close()
        return session

    def by_token(self, token: str) -> Session | None:
        """The session that a link belongs to."""
        known = token.encode("utf-8", "replace")
        with self._lock:
            for session in self._by_hash.values():
                if secrets.compare_digest(session.token.encode(), known):
                    return session
        return None

    def close(self, session_hash: str) -> None:
        """End a session; one that is not there is fine."""
        with self._lock:
            session = self._by_hash.pop(session_hash, None)
        if session is not None:
            session.close()

    def close_all(self) -> None:
        """End them all and remove the server's folder."""
        for session_hash in list(self._by_hash):
            self.close(session_hash)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _surplus(self) -> list[Session]:
        idle = [key for key, session in self._by_hash.items() if not session.busy]
        too_many = max(0, len(self._by_hash) - self._limit)
        return [self._by_hash.pop(key) for key in idle[:too_many]]


def _emptied(folder: Path) -> Path:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder

"""`Worker`: one worker process as its parent sees it.

A worker is not trusted: it may say nothing, too much or nonsense, or never take what it is sent.
Every exchange ends by its deadline; a worker that did not end one properly is not used again.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import eva_graph_tools
from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import DecodeError, DecodeTimeout, StoreError, ToolError
from eva_graph_tools.indexing.cache import CACHE_VARIABLE, cache_folder
from eva_graph_tools.isolation import wire
from eva_graph_tools.isolation.limits import Limits
from eva_graph_tools.isolation.link import Late, Link, Lost
from eva_graph_tools.isolation.plain import path_text
from eva_graph_tools.isolation.wire import Message, Nonsense

T = TypeVar("T")
BOOT = Path(__file__).with_name("boot.py")
# A worker ends late calls by itself, between packets, and then stays; this is how long it may take.
_GRACE_SECONDS = 0.4
_REAP_SECONDS = 0.5
_MAX_LINE_CHARACTERS = 500
_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (*ToolError.__subclasses__(), *DecodeError.__subclasses__(), ToolError, StoreError)
}


def command(script: Path = BOOT) -> list[str]:
    """How a worker is started: nothing but what this process could import itself."""
    paths, places = (
        [str(Path(place).absolute()) for place in given]
        for given in (sys.path, eva_graph_tools.__path__)
    )
    return [sys.executable, "-I", "-S", str(script), json.dumps([paths, places])]


class Worker:
    """A worker process that has been asked to open a file. One caller at a time."""

    def __init__(self, argv: Sequence[str], path: Path) -> None:
        """Start the process; `open` makes it open the file.

        Raises:
            DecodeError: the system lets no process start.
        """
        self._path = path
        self._owner = os.getpid()
        self._process = process = _started(argv, path.name)
        self._link = Link(process.stdin, process.stdout, process.stderr)
        self._in_step = True

    @property
    def usable(self) -> bool:
        """Whether it can be asked for more."""
        return self._in_step and self._owner == os.getpid() and self._process.poll() is None

    def open(self, limits: Limits, deadline: Deadline, read: Callable[[Message], T]) -> T:
        """Make it bind itself and open the file. Raises as `ask`."""
        request = {
            "open": path_text(self._path.absolute()),
            "limits": dataclasses.asdict(limits),
            "timeout_seconds": deadline.remaining_seconds,
        }
        return self.ask(request, deadline, read, max_array_bytes=limits.reply_bytes)

    def ask(
        self,
        request: dict[str, Any],
        deadline: Deadline,
        read: Callable[[Message], T],
        *,
        max_array_bytes: int,
    ) -> T:
        """Send a request and read the reply; `read` raises `Nonsense` where it makes no sense.

        Raises:
            DecodeTimeout: there was none in time.
            DecodeError: the worker ended, or answered nonsense.
            ToolError: what the worker says it is.
        """
        self._in_step = False
        patience = Deadline(None if deadline.at is None else deadline.at + _GRACE_SECONDS)
        try:
            self._link.send(wire.packed(Message(request)), patience)
            reply = self._link.receive(patience, max_array_bytes=max_array_bytes)
            if "error" in reply.header:
                error = _error(reply.header)
                self._in_step = "ended" not in reply.header
                raise error
            result = read(reply)
        except Late as late:
            line = "reading took longer than timeout_seconds and was ended: ask for less of it"
            raise DecodeTimeout(f"{self._path.name}: {line}") from late
        except Lost as lost:
            raise self._end() from lost
        except Nonsense as nonsense:
            line = "its decoder answered nonsense, do not trust the file"
            raise DecodeError(f"{self._path.name}: {line}") from nonsense
        self._in_step = True
        return result

    def kill(self) -> None:
        """Kill and reap the process; killing twice is fine."""
        if self._owner == os.getpid():  # a forked copy of this object owns no process
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self._process.poll() is None:
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._reap()

    def stop(self) -> None:
        """Kill and reap the process and release its pipes, once nobody waits at them."""
        self.kill()
        self._link.close()

    def _reap(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_REAP_SECONDS)
        return None  # it hangs in the kernel; `subprocess` reaps it once it can die

    def _end(self) -> DecodeError:
        """Why the worker ended."""
        code = self._reap()
        self._link.listen()
        if code is not None and -code == signal.SIGXCPU:
            line = "reading took more processor time than timeout_seconds: ask for less of it"
            error: DecodeError = DecodeTimeout(f"{self._path.name}: {line}")
        elif code is not None and code < 0:
            line = f"the decoder crashed ({_signal_name(-code)}), the file is damaged or hostile"
            error = DecodeError(f"{self._path.name}: {line}")
        else:
            line = "the decoder's process failed, the file is damaged or hostile"
            error = DecodeError(f"{self._path.name}: {line}")
        if self._link.last_words:
            error.add_note(self._link.last_words.decode(errors="replace"))
        return error


def _started(argv: Sequence[str], name: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and script
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        line = f"no process to read it in can be started ({error.strerror})"
        raise DecodeError(f"{name}: {line}") from error


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**kept, **threads, CACHE_VARIABLE: str(cache_folder() or "")}


def _error(header: Mapping[str, Any]) -> Exception:
    """The error that a worker reports. Raises `Nonsense`: none of ours."""
    kind, line = header["error"], header.get("message")
    if not (isinstance(kind, str) and kind in _ERRORS and isinstance(line, str)):
        raise Nonsense("an error of no known kind")
    return _ERRORS[kind](line[:_MAX_LINE_CHARACTERS])


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"

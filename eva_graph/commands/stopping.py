"""Ctrl-C ends every command: with one line that says how to go on, and with exit code 130.

The interrupt goes its usual way first, so that whatever cleans up does. A thread that waits for a
server or computes is not waited for: all that commands write survives their being killed, so after
`GRACE_SECONDS`, or a second Ctrl-C, the process ends where it stands. A thread of its own sees to
that, since the main one may be where no interrupt reaches it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from eva_graph.commands.exit_codes import ExitCode

GOES_ON = "the same command goes on from here"
GRACE_SECONDS = 3.0
_SHOW_CURSOR = "\x1b[?25h"


class _Stop:
    """Of the command that runs: whether Ctrl-C came, and what is said to it."""

    def __init__(self) -> None:
        self.came = False
        self.advice = ""
        self._told = threading.Lock()

    def tell(self) -> None:
        """Print the line on stderr, once."""
        if not self._told.acquire(blocking=False):
            return
        shown = _SHOW_CURSOR if sys.stderr.isatty() else ""  # progress bars hide it
        line = f"stopped: {self.advice}" if self.advice else "stopped"
        with suppress(OSError, ValueError):  # nobody reads it any more
            print(f"{shown}{line}", file=sys.stderr, flush=True)


_stop = _Stop()


def if_stopped(advice: str) -> None:
    """Say how to go on where Ctrl-C ends the command that runs."""
    _stop.advice = advice


@contextmanager
def stoppable() -> Iterator[None]:
    """Run a command line, in the main thread, so that Ctrl-C ends it.

    Raises:
        SystemExit: with 130 after Ctrl-C, else whatever came.
    """
    global _stop
    _stop = _Stop()
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(read, _stop), name="ctrl-c", daemon=True).start()
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        stopped = isinstance(end, KeyboardInterrupt) or end.code == ExitCode.STOPPED
        if not (stopped or _stop.came):
            raise
        _stop.came = True
        _stop.tell()
        sys.exit(ExitCode.STOPPED)
    finally:
        if not _stop.came:  # else threads may still hold the process up: it stays watched
            signal.set_wakeup_fd(before)
            os.close(write)


def _watch(read: int, stop: _Stop) -> None:
    """End the process where it does not end itself."""
    if not _interrupted(read, None):
        os.close(read)
        return
    stop.came = True
    _interrupted(read, GRACE_SECONDS)
    stop.tell()
    os._exit(ExitCode.STOPPED)


def _interrupted(read: int, seconds: float | None) -> bool:
    """Wait for Ctrl-C; False: time is over, or the command."""
    while select.select([read], [], [], seconds)[0]:
        received = os.read(read, 1)
        if not received:
            return False
        if received[0] == signal.SIGINT:
            return True
    return False

"""A worker process with operations that a decoder gone wrong would behave like."""

import ctypes
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

if __name__ == "__main__":  # a worker is told where its parent imports from
    boot = Path(json.loads(sys.argv[1])[1][0], "isolation", "boot.py")
    runpy.run_path(str(boot))["enter"](sys.argv[1])

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.isolation.worker import serve
from eva_graph_tools.operations import OPERATIONS, Media
from eva_graph_tools.reader import Reply


def spin(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Never ends and never lets another thread of the process run."""
    return Reply(values={"endless": sum(iter(int, 1))})


def spin_without_lock(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Never ends, as a loop in native code that released the interpreter's lock."""
    ctypes.CDLL(None).pause()
    return Reply()


def late(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Looks at the deadline, as the decoders do between packets."""
    while True:
        deadline.check()
        time.sleep(0.01)


def allocate(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Takes memory, and touches it, until there is no more."""
    taken = []
    while True:
        taken.append(np.ones(16 * 2**20, np.uint8))


def crash(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Reads where nothing is."""
    return Reply(values={"read": ctypes.string_at(0).decode()})


def fail(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Raises what nobody expects."""
    raise LookupError("private/source.c:12: a bug")


def use_processor(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Reaches the limit on processor time."""
    os.kill(os.getpid(), signal.SIGXCPU)
    return Reply()


def shout(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Prints more than a pipe holds, on both outputs."""
    for _ in range(100):
        os.write(1, b"out" * 10_000)
        os.write(2, b"err" * 10_000)
    return Reply(values={"said": True})


def write(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Writes a file."""
    try:
        return Reply(values={"written": Path(arguments["path"]).write_bytes(b"x" * 1000)})
    except OSError as error:
        return Reply(values={"errno": error.errno})


def write_a_cut(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Writes a file, as an operation that may."""
    size = Path(arguments["path"]).write_bytes(b"x" * arguments["size"])
    return Reply(values={"start_seconds": 0.0, "end_seconds": float(size)})


def reach_out(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Opens a connection and starts a program."""
    failed = []
    for attempt in (socket.socket, lambda: os.execv("/bin/true", ["true"])):
        try:
            attempt()
        except OSError as error:
            failed.append(error.errno)
    return Reply(values={"failed": failed})


def surroundings(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """What the process has of its parent."""
    return Reply(
        values={
            "environment": sorted(os.environ),
            "files": len(list(Path("/proc/self/fd").iterdir())),
            "session": os.getsid(0),
            "pid": os.getpid(),
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        }
    )


def huge(media: Media, arguments: Mapping[str, Any], deadline: Deadline) -> Reply:
    """Answers with more than anybody asked for."""
    return Reply(arrays=(np.zeros(64 * 2**20, np.uint8),))


MISBEHAVIOUR = (
    *(spin, spin_without_lock, late, allocate, crash, fail, use_processor),
    *(shout, write, reach_out, surroundings, huge),
)

if __name__ == "__main__":
    serve({**OPERATIONS, **{one.__name__: one for one in MISBEHAVIOUR}, "cut": write_a_cut})

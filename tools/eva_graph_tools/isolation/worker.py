"""The worker process: reads one video file for its parent, within `Limits`.

Requests come on standard input, replies leave on what was standard output; whatever a library
prints goes to standard error. The first request opens the file, each further one performs an
operation. The worker ends when its parent closes the pipe or is gone.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.errors import EvaGraphError
from eva_graph_tools.isolation.limits import (
    MIB,
    WRITERS,
    Limits,
    allow_writing,
    confine,
    renew_cpu,
)
from eva_graph_tools.isolation.plain import path_of, to_plain
from eva_graph_tools.isolation.wire import PREFIX, Message, lengths, packed, read_header
from eva_graph_tools.local_reader import LocalReader
from eva_graph_tools.operations import Operation
from eva_graph_tools.reader import Array

_Inbox = queue.SimpleQueue[dict[str, Any]]


def serve(operations: Mapping[str, Operation]) -> NoReturn:
    """Answer the parent until it is gone. `operations` by the names it may ask for."""
    requests, replies = _pipes()
    request = _next(requests)
    path, limits = path_of(request["open"]), Limits(**request["limits"])
    confine(limits)
    renew_cpu(request["timeout_seconds"])
    inbox: _Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox), daemon=True).start()
    with _failures_told(replies, path.name, limits):
        reader = LocalReader.open(path, max_decoders=1)  # the limits are those of one
        arrays: list[Array] = []
        header = {"opened": to_plain(reader.opened, arrays)}
        _send(replies, Message(header, tuple(arrays)))
        while True:
            _answer(replies, reader, operations, inbox.get())


def _answer(
    replies: BinaryIO,
    reader: LocalReader,
    operations: Mapping[str, Operation],
    request: Mapping[str, Any],
) -> None:
    name, seconds = request["operation"], request["timeout_seconds"]
    # Encoders run on all processors at once, the one decoder on one.
    renew_cpu(seconds * (os.cpu_count() or 1) if name in WRITERS else seconds)
    allow_writing(name in WRITERS)
    try:
        reply = operations[name](reader, request["arguments"], Deadline.after(seconds))
        _send(replies, Message({"values": reply.values}, reply.arrays))
    except EvaGraphError as error:
        _send(replies, Message({"error": type(error).__name__, "message": str(error)}))
    except OSError as error:
        kind, what = ("StoreError", "written") if name in WRITERS else ("DecodeError", "read")
        line = f"{reader.opened.path.name}: the file cannot be {what} ({error.strerror})"
        _send(replies, Message({"error": kind, "message": line}))
    finally:
        allow_writing(False)


@contextlib.contextmanager
def _failures_told(replies: BinaryIO, name: str, limits: Limits) -> Any:
    """Say why the worker ends where it can be said; after anything else its parent sees it end."""
    try:
        yield
    except EvaGraphError as error:
        _send(replies, Message({"error": type(error).__name__, "message": str(error)}))
    except MemoryError:
        line = f"{name}: reading it takes more than the {limits.memory_bytes // MIB} MiB allowed"
        _send(replies, Message({"error": "DecodeError", "message": line, "ended": True}))
    os._exit(0)


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Requests and replies, out of reach of anything that prints."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return sys.stdin.buffer, replies


def _listen(requests: BinaryIO, inbox: _Inbox) -> None:
    # In a thread of its own: the parent's end must be noticed while a decoder runs.
    while True:
        inbox.put(_next(requests))


def _next(requests: BinaryIO) -> dict[str, Any]:
    """The next request; ends the process where there will be none."""
    prefix = requests.read(PREFIX.size)
    if len(prefix) < PREFIX.size:
        os._exit(0)
    header_bytes, _ = lengths(prefix, max_array_bytes=0)
    return read_header(requests.read(header_bytes), 0)[0]


def _send(replies: BinaryIO, message: Message) -> None:
    for part in packed(message):
        replies.write(part)
    replies.flush()

"""`Link`: the three pipes to a worker, each wait of which ends by a deadline."""

import math
import os
import select
from collections.abc import Iterable
from typing import IO

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.isolation import wire
from eva_graph_tools.isolation.wire import Message

_LAST_WORDS_BYTES = 4096
_READ_BYTES = 65_536


class Late(Exception):
    """The deadline passed before the worker was done."""


class Lost(Exception):
    """The worker closed its end: it has ended, or is about to."""


class Link:
    """Requests to a worker, its replies and what it prints. One caller at a time."""

    def __init__(self, *pipes: IO[bytes] | None) -> None:
        """The parent's ends of requests, replies and what is printed, unbuffered."""
        self._files = tuple(pipe for pipe in pipes if pipe is not None)
        self._requests, self._replies, self._printed = (file.fileno() for file in self._files)
        for file in self._files:
            os.set_blocking(file.fileno(), False)
        self._hears = True
        self.last_words = b""

    def close(self) -> None:
        """Release the pipes."""
        for file in self._files:
            file.close()

    def send(self, parts: Iterable[memoryview], deadline: Deadline) -> None:
        """Write a message. Raises `Late` or `Lost`."""
        for part in parts:
            while part:
                self._wait(self._requests, select.POLLOUT, deadline)
                try:
                    part = part[os.write(self._requests, part) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError as error:
                    raise Lost from error

    def receive(self, deadline: Deadline, *, max_array_bytes: int) -> Message:
        """Read a message. Raises `Late`, `Lost` or `Nonsense`."""
        prefix = bytearray(wire.PREFIX.size)
        self._fill(memoryview(prefix), deadline)
        header_bytes, array_bytes = wire.lengths(bytes(prefix), max_array_bytes=max_array_bytes)
        data = bytearray(header_bytes)
        self._fill(memoryview(data), deadline)
        header, arrays = wire.read_header(bytes(data), array_bytes)
        for view in wire.views(arrays):
            self._fill(view, deadline)
        return Message(header, wire.sanitized(arrays))

    def _fill(self, view: memoryview, deadline: Deadline) -> None:
        while view:
            self._wait(self._replies, select.POLLIN, deadline)
            try:
                count = os.readv(self._replies, [view])
            except BlockingIOError:
                continue
            if count == 0:
                raise Lost
            view = view[count:]

    def _wait(self, file: int, event: int, deadline: Deadline) -> None:
        """Until `file` is ready or broken; meanwhile what the worker prints is taken away."""
        while True:
            poll = select.poll()
            poll.register(file, event)
            if self._hears:
                poll.register(self._printed, select.POLLIN)
            remaining = deadline.remaining_seconds
            ready = {fd for fd, _ in poll.poll(None if remaining is None else _ms(remaining))}
            if self._printed in ready:
                self.listen()
            if file in ready:
                return
            if remaining == 0:
                raise Late

    def listen(self) -> None:
        """Take what the worker has printed; its last words are kept."""
        try:
            said = os.read(self._printed, _READ_BYTES)
        except BlockingIOError:
            return
        self._hears = bool(said)
        self.last_words = (self.last_words + said)[-_LAST_WORDS_BYTES:]


def _ms(seconds: float) -> int:
    return math.ceil(min(seconds, 86_400.0) * 1000)

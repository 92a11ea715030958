"""`DecoderPool`: the open decoders of one video, shared by all calls.

A decoder belongs to one caller at a time and is opened when a caller finds none idle. A video has
at most as many as there are processors, four at most; all videos of a process together have at most
`MOST_OPEN`: beyond that the one that was idle for longest, of whichever video, is closed.

A caller that overstays its deadline loses its decoder: from that moment it no longer counts, others
open a fresh one in its place, and whenever the caller comes back, be it stuck in a single packet
for hours, the decoder is closed and not used again.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from eva_graph_tools.deadline import Deadline
from eva_graph_tools.decode import Decoder
from eva_graph_tools.errors import DecodeError, DecodeTimeout, ToolError

MOST_PER_VIDEO = min(4, os.cpu_count() or 1)
MOST_OPEN = 16
_IDLE_SECONDS = 30.0

_changed = threading.Condition()  # guards the state of every pool
_pools: "weakref.WeakSet[DecoderPool]" = weakref.WeakSet()


@dataclass(eq=False, slots=True)
class _Lease:
    """A caller's right to one decoder, which is opened within it."""

    deadline: Deadline
    decoder: Decoder | None = None


@dataclass(frozen=True, slots=True)
class _Idle:
    since: float
    decoder: Decoder


class DecoderPool:
    """See the module. Thread safe."""

    def __init__(
        self, name: str, open_decoder: Callable[[], Decoder], *, most: int = MOST_PER_VIDEO
    ) -> None:
        """`name` is the video's, for messages; `most` bounds its open decoders."""
        self._name = name
        self._open_decoder = open_decoder
        self._most = most
        self._leases: set[_Lease] = set()
        self._idle: list[_Idle] = []  # the one used last at the end
        self._closed = False
        with _changed:
            _pools.add(self)

    def add(self, decoder: Decoder) -> None:
        """Hand a decoder over that is already open."""
        surplus: list[Decoder] = []
        with _changed:
            self._idle.append(_Idle(time.monotonic(), decoder))
            _shrink(MOST_OPEN, surplus)
        for closing in surplus:
            closing.close()

    @contextmanager
    def lease(self, deadline: Deadline) -> Iterator[Decoder]:
        """A decoder for the caller's sole use; waits for one.

        Raises:
            DecodeTimeout: none came free in time.
            DecodeError: the video is closed.
        """
        with self.leases(1, deadline) as (decoder,):
            yield decoder

    @contextmanager
    def leases(self, most: int, deadline: Deadline) -> Iterator[list[Decoder]]:
        """As many decoders as are free, at most `most` and at least one: only that is waited for.

        Raises:
            DecodeTimeout, DecodeError: as `lease`.
        """
        with ExitStack() as stack:
            decoders: list[Decoder] = []
            while len(decoders) < max(1, most):
                lease = self._take(deadline, wait=not decoders)
                if lease is None:
                    break
                decoders.append(stack.enter_context(self._held(lease)))
            yield decoders

    def require_open(self) -> None:
        """Raises `DecodeError` once the video is closed."""
        if self._closed:
            raise DecodeError(f"{self._name}: the video is closed, open it again")

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        with _changed:
            self._closed = True
            idle, self._idle = self._idle, []
            _changed.notify_all()
        for entry in idle:
            entry.decoder.close()

    @contextmanager
    def _held(self, lease: _Lease) -> Iterator[Decoder]:
        fit = False
        try:
            if lease.decoder is None:
                lease.decoder = self._open_decoder()
            lease.decoder.deadline = lease.deadline
            lease.deadline.check()
            yield lease.decoder
            fit = True
        except DecodeTimeout:
            raise
        except ToolError:
            fit = True
            raise
        finally:
            self._give_back(lease, fit=fit)

    def _take(self, deadline: Deadline, *, wait: bool) -> _Lease | None:
        surplus: list[Decoder] = []
        try:
            with _changed:
                while (lease := self._lease_now(deadline, surplus)) is None and wait:
                    _changed.wait(self._patience(deadline))
                    deadline.check()
                return lease
        finally:
            for decoder in surplus:
                decoder.close()

    def _lease_now(self, deadline: Deadline, surplus: list[Decoder]) -> _Lease | None:
        """A lease on an idle decoder, or one to open a new one under; None while all are in use."""
        self.require_open()
        surplus += _stale()
        lease = _Lease(deadline)
        if self._idle:
            lease.decoder = self._idle.pop().decoder
        elif not self._room(surplus):
            return None
        self._leases.add(lease)
        return lease

    def _room(self, surplus: list[Decoder]) -> bool:
        """Whether one more may be opened; what has to go for it is added to `surplus`."""
        if self._counted() >= self._most:
            return False
        return _shrink(MOST_OPEN - 1, surplus)

    def _counted(self) -> int:
        now = time.monotonic()
        held = sum(lease.deadline.at is None or lease.deadline.at > now for lease in self._leases)
        return held + len(self._idle)

    def _patience(self, deadline: Deadline) -> float | None:
        """How long to wait: to the own deadline, or until another caller overstays its own."""
        leases = [lease for pool in _pools for lease in pool._leases]
        moments = (deadline, *(lease.deadline for lease in leases))
        remaining = [left for moment in moments if (left := moment.remaining_seconds)]
        return min(remaining, default=None)

    def _give_back(self, lease: _Lease, *, fit: bool) -> None:
        with _changed:
            self._leases.discard(lease)
            overstayed = lease.deadline.remaining_seconds == 0
            keep = fit and not overstayed and not self._closed
            if keep and lease.decoder is not None:
                self._idle.append(_Idle(time.monotonic(), lease.decoder))
            _changed.notify_all()
        if not keep and lease.decoder is not None:
            lease.decoder.close()


def _shrink(most: int, surplus: list[Decoder]) -> bool:
    """Whether at most that many are open in the process, the idle ones in `surplus` aside."""
    while sum(pool._counted() for pool in _pools) > most:
        pools = [pool for pool in _pools if pool._idle]
        if not pools:
            return False
        oldest = min(pools, key=lambda pool: pool._idle[0].since)
        surplus.append(oldest._idle.pop(0).decoder)
    return True


def _stale() -> list[Decoder]:
    """Decoders beyond a video's first that nobody has used for a while, taken from their pools."""
    until = time.monotonic() - _IDLE_SECONDS
    stale: list[Decoder] = []
    for pool in _pools:
        while len(pool._idle) > 1 and pool._idle[0].since < until:
            stale.append(pool._idle.pop(0).decoder)
    return stale

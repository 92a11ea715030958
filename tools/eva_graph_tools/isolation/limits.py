"""`Limits`: what a worker process may use, and how it binds itself before it touches a file.

Limits guard against files that exhaust a machine. With them a worker can also not fill a file (a
cut's own apart) or leave a core dump; on Linux it cannot start a program or open a connection. They
are no full sandbox: a decoder that has been taken over can still read the files of its user, and
then has only the checked protocol to tell of them. Run servers in a container for more.
"""

import ctypes
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from eva_graph_tools.errors import EvaGraphError
from eva_graph_tools.isolation.barred import bar_system_calls

if sys.platform != "win32":
    import resource

MIB = 1024 * 1024
_PR_SET_NO_NEW_PRIVS = 38
_CPU_MARGIN_SECONDS = 5
_UNKNOWN_BASE_BYTES = 512 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one worker process may use.

    Attributes:
        memory_bytes: address space beyond what the interpreter and its libraries take.
        open_files: file descriptors.
        written_bytes: size of a file that an operation named in `WRITERS` may write.
        reply_bytes: size of a reply whose size does not follow from the request.
        workers: how many processes one video may use; calls beyond wait.
        timeout_seconds: how long opening and each call may take where the caller says nothing.
    """

    memory_bytes: int = 2048 * MIB
    open_files: int = 32
    written_bytes: int = 4096 * MIB
    reply_bytes: int = 512 * MIB
    workers: int = 2
    timeout_seconds: float = 60.0


WRITERS = frozenset({"cut"})
"""The operations that write a file."""


def require_support() -> None:
    """Raises `EvaGraphError` where the system cannot limit a process."""
    if sys.platform == "win32":
        raise EvaGraphError(
            "isolated decoding needs the resource limits of a POSIX system: "
            "open the video with isolated=False, if you trust it"
        )


def confine(limits: Limits) -> None:
    """Bind this process, which has one thread; what it has opened and mapped so far stays."""
    memory = _address_space_bytes() + limits.memory_bytes
    _limit(resource.RLIMIT_AS, memory, memory)
    _limit(resource.RLIMIT_NOFILE, limits.open_files, limits.open_files)
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_FSIZE, 0, limits.written_bytes)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        bar_system_calls()


def renew_cpu(seconds: float) -> None:
    """Allow so much more processor time; the end of it kills even a worker nobody waits for."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = used.ru_utime + used.ru_stime + seconds + _CPU_MARGIN_SECONDS
    _limit(resource.RLIMIT_CPU, math.ceil(until), resource.RLIM_INFINITY)


def allow_writing(allowed: bool) -> None:
    """Let this process write files, or stop it."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    _limit(resource.RLIMIT_FSIZE, hard if allowed else 0, hard)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, within what this process was given itself."""
    given = resource.getrlimit(kind)[1]
    if given != resource.RLIM_INFINITY:
        hard = given if hard == resource.RLIM_INFINITY else min(hard, given)
        soft = min(soft, hard)
    resource.setrlimit(kind, (soft, hard))


def _address_space_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return _UNKNOWN_BASE_BYTES
    return int(pages) * resource.getpagesize()

"""System calls that no decoder needs: connecting, starting programs, looking into other processes.

A filter of the Linux kernel (seccomp) makes them fail with `EPERM` for the rest of the process's
life. It is a second lock behind the one on the file's own references: files cannot name an address
in the first place (`eva_graph_tools.media`).
"""

import ctypes
import errno
import platform
import struct
import sys

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000 | errno.EPERM
_INSTRUCTION = struct.Struct("=HBBI")
_FIRST_OF_OTHER_ABI = 0x40000000

# The kernel's name of the architecture; socket, execve, execveat, ptrace, process_vm_readv,
# process_vm_writev, io_uring_setup.
_SYSTEMS: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, (41, 59, 322, 101, 310, 311, 425)),
    "aarch64": (0xC00000B7, (198, 221, 281, 117, 270, 271, 425)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def bar_system_calls() -> bool:
    """Bar them for this thread and those it starts; whether the system could.

    The process must have given up new privileges (`PR_SET_NO_NEW_PRIVS`).
    """
    known = _SYSTEMS.get(platform.machine()) if sys.platform == "linux" else None
    if known is None:
        return False
    code = _filter(*known)
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // _INSTRUCTION.size, ctypes.addressof(kept))
    taken: int = ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    return taken == 0


def _filter(architecture: int, barred: tuple[int, ...]) -> bytes:
    """A program for the kernel: jumps skip instructions, if true and if false."""
    to_fail = len(barred) + 1
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_JUMP_IF_EQUAL, 0, to_fail + 2, architecture),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_JUMP_IF_AT_LEAST, to_fail, 0, _FIRST_OF_OTHER_ABI),
        *((_JUMP_IF_EQUAL, to_fail - 1 - n, 0, number) for n, number in enumerate(barred)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL),
    ]
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)

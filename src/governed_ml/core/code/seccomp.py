"""Filter system calls (Linux), so that the team's code can open no socket and not leave its group.

Landlock limits TCP only from its version 4 on, and limits neither UDP nor Unix sockets, such as
Docker's. Without `setsid` and `setpgid`, everything that the process starts stays in its process
group and is killed with it. `socketpair` and pipes stay allowed: they reach no other program.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys

NUMBERS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (0xC000003E, {"socket": 41, "setpgid": 109, "setsid": 112}),
    "aarch64": (0xC00000B7, {"socket": 198, "setpgid": 154, "setsid": 157}),
}
"""Machine → the kernel's number for the architecture, and the numbers of the refused system calls.
"""
RING = (425, 426, 427)  # io_uring, on every machine: it can make sockets
X32 = 0x40000000  # system calls of x86_64's x32 table start here

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE = 0, 4  # offsets in the kernel's `seccomp_data`
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
NO_NEW_PRIVILEGES, SET_SECCOMP, BY_FILTER = 38, 22, 2  # prctl


class _Line(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("lines", ctypes.POINTER(_Line)))


def is_known() -> bool:
    """Return whether the filter supports this system."""
    whole = sys.maxsize > 1 << 32  # system calls of a 32-bit program have other numbers
    return sys.platform == "linux" and whole and platform.machine() in NUMBERS


def program(machine: str) -> list[tuple[int, int, int, int]]:
    """Return the filter for a machine as a classic BPF program.

    Each line is (operation, lines to skip if true, lines to skip if false, value).
    """
    architecture, numbers = NUMBERS[machine]
    refused = [*numbers.values(), *RING]
    last = 4 + len(refused) + 1  # the index of the line that refuses
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, last - 2, architecture),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, last - 4, 0, X32),
    ]
    lines += [(EQUAL, last - place - 1, 0, one) for place, one in enumerate(refused, len(lines))]
    return [*lines, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]


def install() -> bool:
    """Install the filter for this thread and everything it starts.

    Return whether it is installed.
    """
    if not is_known():
        return False
    lines = program(platform.machine())
    kept = (_Line * len(lines))(*lines)
    filter_ = _Program(len(lines), kept)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return libc.prctl(SET_SECCOMP, BY_FILTER, ctypes.byref(filter_), 0, 0) == 0

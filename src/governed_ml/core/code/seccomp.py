"""Filter system calls (Linux): a process of the team's code cannot open sockets or leave its group.

Landlock limits TCP from its version 4 on, and neither UDP nor sockets that have a path, such as
Docker's. Without `setsid` and `setpgid` all that the process starts stays in its group, and ends
with it. `socketpair` stays, and so do pipes: they reach nobody else.
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
"""Machine → how the kernel calls it, and the numbers of what is refused."""
RING = (425, 426, 427)  # io_uring, on every machine: it makes sockets, too
X32 = 0x40000000  # numbers from here on are a second table of x86_64

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE = 0, 4  # where the kernel lays them
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
    """Return whether this system should have the filter."""
    whole = sys.maxsize > 1 << 32  # a program of 32 bits has other numbers
    return sys.platform == "linux" and whole and platform.machine() in NUMBERS


def program(machine: str) -> list[tuple[int, int, int, int]]:
    """Return the filter for a machine: what to do, lines to skip if so, if not so, the value."""
    architecture, numbers = NUMBERS[machine]
    refused = [*numbers.values(), *RING]
    last = 4 + len(refused) + 1  # the place of the line that refuses
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, last - 2, architecture),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, last - 4, 0, X32),
    ]
    lines += [(EQUAL, last - place - 1, 0, one) for place, one in enumerate(refused, len(lines))]
    return [*lines, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]


def install() -> bool:
    """Limit this thread, and all that it starts, for good; return whether it is limited."""
    if not is_known():
        return False
    lines = program(platform.machine())
    kept = (_Line * len(lines))(*lines)
    filter_ = _Program(len(lines), kept)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return libc.prctl(SET_SECCOMP, BY_FILTER, ctypes.byref(filter_), 0, 0) == 0

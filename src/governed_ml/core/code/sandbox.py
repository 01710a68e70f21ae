"""Restrict the current process with Landlock (Linux 5.13 and later) and seccomp.

Landlock limits access to files, TCP and signals. The limits hold for this thread and everything it
starts, and cannot be lifted. A child process therefore calls `restrict` before it imports anything
that starts threads, and before it runs the team's code. On systems without Landlock, `restrict`
limits no files; its return value names the limits that are in force.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from governed_ml.core.code import seccomp
from governed_ml.core.problem import Problem

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every supported machine
ARCHITECTURES = ("x86_64", "aarch64")
LANDLOCK, FILTER = "landlock", "seccomp"
NO_NEW_PRIVILEGES = 38  # prctl
PARENT_DEATH_SIGNAL, KILL = 1, 9  # prctl
BENEATH_PATH, VERSION = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15  # truncate, ioctl
BIND, CONNECT = 1, 2  # TCP
SCOPES = 3  # abstract sockets of other processes, signals to them
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version of Landlock's interface → the file rights that it supports; valid until the next version.
"""

SYSTEM = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec"),
    *("/usr/local/lib", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/share", "/etc"),
    *("/nix/store", "/sys", "/proc/self", "/proc/sys"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/version"),
)
"""Paths that any program may need. `/usr` and `/opt` are not listed as a whole, because projects
may lie there. Other processes' folders in `/proc` are left out, because Landlock alone would let
their environment variables be read.
"""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - what joblib's processes share


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's Landlock interface, or 0 if it has none."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return 0
    found = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, VERSION)
    return max(0, int(found))


def restrict(readable: Iterable[Path] | None, writable: Iterable[Path], *, network: bool) -> str:
    """Restrict this process permanently. Return the limits in force, or "" if the system has none.

    `readable` are files and folders (with everything in them); None leaves everything readable.
    Only paths in `writable` can be changed. If `network` is false, seccomp blocks new sockets.
    Where seccomp is missing, Landlock (version 4 and later) blocks TCP connections only.
    """
    found = [_by_landlock(readable, writable, network=network)]
    if not network and seccomp.install():
        found.append(FILTER)
    return ", ".join(one for one in found if one)


def hides_files(limits: str) -> bool:
    """Return whether `limits`, the return value of `restrict`, include limits on files."""
    return limits.startswith(LANDLOCK)


def require_filter(limits: str) -> None:
    """Raise `Problem` if this system supports the seccomp filter but could not install it.

    `limits` is the return value of `restrict`.
    """
    if seccomp.is_known() and FILTER not in limits:
        raise Problem(
            "this system cannot filter system calls (seccomp), so the team's code could reach "
            "local services: measure the version on a machine whose kernel supports seccomp"
        )


def _by_landlock(
    readable: Iterable[Path] | None, writable: Iterable[Path], *, network: bool
) -> str:
    known = version()
    if not known:
        return ""
    libc = ctypes.CDLL(None, use_errno=True)
    files = RIGHTS[max(one for one in RIGHTS if one <= known)]
    ruleset = _Ruleset(
        files,
        0 if network or known < 4 else BIND | CONNECT,
        SCOPES if known >= 6 else 0,
    )
    size = 8 if known < 4 else 16 if known < 6 else 24
    handle = libc.syscall(CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    if handle < 0:
        return ""
    try:
        for path in [Path("/")] if readable is None else readable:
            _allow(libc, handle, path, READ & files)
        for path in map(Path, DEVICES):
            _allow(libc, handle, path, files)
        for path in writable:
            _allow(libc, handle, path, files)
        if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(RESTRICT_SELF, handle, 0):
            return ""
    finally:
        os.close(handle)
    return f"{LANDLOCK} {known}"


def _allow(libc: ctypes.CDLL, handle: int, path: Path, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a path that does not exist or cannot be opened needs no rule
    try:
        allowed = rights if path.is_dir() else rights & OF_FILES
        rule = _Beneath(allowed, parent)
        libc.syscall(ADD_RULE, handle, BENEATH_PATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def libraries() -> list[Path]:
    """Return the paths that a Python process reads: interpreter, packages and system libraries."""
    found = [Path(name) for name in SYSTEM]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        found += [Path(prefix, name) for name in ("bin", "lib", "lib64", "share", "pyvenv.cfg")]
    found += [Path(name) for name in sysconfig.get_paths().values()]
    found += [Path(name) for name in sys.path if name]
    found.append(Path(__file__).parents[2])  # the engine, where it is installed as a path
    return [path for path in dict.fromkeys(found) if path.exists()]


def end_with_parent() -> None:
    """On Linux, have the kernel kill this process when its parent ends.

    On other systems the process ends when its standard input is closed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PARENT_DEATH_SIGNAL, KILL, 0, 0, 0)

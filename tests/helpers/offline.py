"""A project's commands with the network cut, and a list of whom they wanted to talk to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import baked
from baked import BakedProject

LOG = "connections.log"  # beside the project's folder
TALKATIVE = dict.fromkeys([*baked.QUIET, "CI"], "")
"""Nothing in the surroundings that would switch a telemetry off: the project has to."""
HOOK = """
import sys
TO_A_PLACE, BY_NAME = ("socket.connect", "socket.sendto"), ("socket.getaddrinfo", "socket.gethost")

def watch(event, arguments):
    place = arguments[1] if event in TO_A_PLACE else arguments[0] if arguments else None
    # A place that is a path, no pair, is a socket of this machine.
    if event.startswith(BY_NAME) or event in TO_A_PLACE and isinstance(place, tuple):
        with open(LOG, "a", encoding="utf-8") as file:
            print(event, place, sys.orig_argv, file=file)

sys.addaudithook(watch)
"""


def log_of(project: BakedProject) -> Path:
    """Where the connections that a watched project tried are written."""
    return project.path.parent / LOG


@contextmanager
def watched(project: BakedProject) -> Iterator[list[str]]:
    """Watch every Python process of the project; gives what a command starts with to be offline.

    Linux takes the network away from a process (`unshare`); elsewhere it is only watched.
    """
    hook = project.path / "src" / "sitecustomize.py"
    text = HOOK.replace("LOG", repr(str(log_of(project))))
    hook.write_text(text, encoding="utf-8")
    try:
        yield cut()
    finally:
        hook.unlink()


def cut() -> list[str]:
    """The start of a command that runs without a network, where this machine can do that."""
    prefix = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return [] if tried.returncode else prefix

"""A project's commands with the network cut, and a list of whom they wanted to talk to."""

from __future__ import annotations

import shutil
import subprocess
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


def watch(project: BakedProject) -> dict[str, str]:
    """Return variables by which every Python process of the project's pipeline is watched.

    What judges refuses `PYTHONPATH`: `command` is for that.
    """
    folder = project.path.parent / "watch"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(hook(project), encoding="utf-8")
    return TALKATIVE | {"PYTHONPATH": str(folder)}


def hook(project: BakedProject) -> str:
    """Return the code that writes down what a process wants to connect to."""
    return HOOK.replace("LOG", repr(str(log_of(project))))


def command(project: BakedProject, *words: str) -> list[str]:
    """Return a command of the engine that is watched, and that no variable leads elsewhere."""
    code = f"{hook(project)}\nsys.argv = ['governance', *{words!r}]\n"
    return ["python", "-P", "-c", f"{code}from governed_ml.__main__ import main\nmain()\n"]


def cut() -> list[str]:
    """The start of a command that runs without a network, where this machine can do that."""
    prefix = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None:
        return []
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return [] if tried.returncode else prefix

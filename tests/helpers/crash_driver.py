"""Runs in a project's environment: kill a command at every step that changes something.

Each run is a fork of a process that has imported everything, on a copy of the project of its own.
Prints one JSON object a step: what was there after the kill, after `reconcile`, and after a
second try.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import registry as helpers

CHANGES = {"commit-tree", "update-ref", "push", "hash-object"}  # of git's verbs
METHODS = ("upload", "point", "tag", "anchor")  # of the registry


def arm(registry_class: Any, deadly: int, steps: list[str]) -> None:
    """Count every change before and after it happens; at number `deadly` the process is killed."""

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) == deadly:
            Path("../killed").write_text(name, encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)

    def around(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            step(f"before {name}")
            result = function(*args, **kwargs)
            step(f"after {name}")
            return result

        return wrapped

    run = subprocess.run

    def watched(command: list[str], *args: Any, **kwargs: Any) -> Any:
        verb = next((word for word in command if word in CHANGES), None)
        return (around(f"git {verb}", run) if verb else run)(command, *args, **kwargs)

    subprocess.run = watched
    for name in METHODS:
        setattr(registry_class, name, around(name, getattr(registry_class, name)))


def forked(home: Path, work: Callable[[], Any]) -> int:
    """Run something in a fork, in the project's folder; return its exit code, or −signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(home / "project")
            result = work()
            (home / "result.json").write_text(json.dumps(result), encoding="utf-8")
            code = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(source: Path, scratch: Path, command: str) -> None:
    """Kill, look, fix, look, try again, look; until a run ends by itself."""
    module = {
        name: importlib.import_module(f"governed_ml.{path}")
        for name, path in {
            "registry": "registry.versions",
            "promote": "registry.promote",
            "rollback": "registry.rollback",
            "reconcile": "registry.reconcile",
            "repair": "registry.repair",
            "ledger": "ledger.storage",
            "lifecycle": "ledger.lifecycle",
        }.items()
    }
    importlib.import_module("mlflow.sklearn")
    importlib.import_module("model_signing.verifying")
    importlib.import_module("cel")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"

    def door() -> Any:
        return module["registry"].Registry(module["registry"].model_name(Path()))

    def act(deadly: int = 0) -> None:
        if deadly:
            arm(module["registry"].Registry, deadly, [])
        if command == "promote":
            module["promote"].promote(Path(), door(), 2)
        else:
            module["rollback"].rollback(Path(), door(), "It was wrong")

    def look() -> dict[str, Any]:
        found = module["reconcile"].compare(Path(), door())
        champion = module["lifecycle"].trace(module["ledger"].read(Path())).champion
        events = [e.event.action for e in module["ledger"].read(Path())]
        return {
            "ledger": champion.number,
            "registry": door().aliases().get("champion"),
            "differences": found.differences,
            "events": events,
        }

    def fix() -> dict[str, Any]:
        found = module["reconcile"].compare(Path(), door())
        if found.differences:
            module["repair"].repair(Path(), door(), found)
        return look()

    def again() -> dict[str, Any]:
        champion = module["lifecycle"].trace(module["ledger"].read(Path())).champion.number
        if command == "promote" or champion == 2:
            act()
        return look()

    deadly, ended = 0, False
    while not ended:
        deadly += 1
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(source, scratch, symlinks=True)
        before, after = str(source / "project"), str(scratch / "project")
        helpers.move_store(scratch / "project" / "mlflow.db", before, after)
        code = forked(scratch, lambda: act(deadly))  # noqa: B023 - run at once
        ended = code == 0
        seen: dict[str, Any] = {"exit": code}
        if not ended:
            seen["step"] = (scratch / "killed").read_text(encoding="utf-8")
        for name, work in (("after", look), ("fixed", fix), ("again", again)):
            assert forked(scratch, work) == 0, f"{name} failed at step {deadly}"
            seen[name] = json.loads((scratch / "result.json").read_text(encoding="utf-8"))
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

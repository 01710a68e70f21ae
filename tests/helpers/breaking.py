"""Plant faults of the drill in one copy, and break the check of each there, one part at a time.

Runs in the environment and the folder of a project: `breaking.py FAULT …`. Prints what came of each
part as JSON, a line each.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import edited_engine
from disabled_checks import DISABLED

from governed_ml.core.problem import Problem
from governed_ml.drill import run as drill
from governed_ml.drill.command_result import CommandResult, Sign
from governed_ml.drill.fault import Fault, judged
from governed_ml.drill.scratch import Scratch

FIXED = "docs/drill"  # what `hygiene` has corrected is spoilt again

ERROR = re.compile(r"^(governance\b[^:]*|Traceback|not planted).*: \w*Error: ")


class Tried(NamedTuple):
    """What the drill says of a fault with one part of its check broken; `part` -1: with none."""

    fault: str
    part: int
    caught: bool
    reason: str
    failed: str  # the line of a command that ended in an error of Python's

    @property
    def wrong(self) -> bool:
        """Whether a whole check let it through, a broken one caught it, or one did not run."""
        return self.caught != (self.part < 0) or bool(self.failed)


class BreakableScratch(Scratch):
    """A copy in which commands run with an edited engine."""

    edits: edited_engine.Edits = {}  # noqa: RUF012 - replaced, not changed

    def run(self, *words: str) -> CommandResult:
        """Run `governance …` as a person would, with the engine as it was edited."""
        if not self.edits:
            return super().run(*words)
        python = getattr(self, "python", sys.executable)
        command = edited_engine.command(self.edits, self.home.parent, python)
        return self.start([*command, *words])


def each(project: Path, folder: Path, names: Iterable[str]) -> Iterator[Tried]:
    """Plant faults in a copy of a project; try each with its check whole, and each part broken."""
    scratch = BreakableScratch(project, folder.resolve() / "measured", lambda _: None)
    drill.enter(scratch, "measured")
    for name in names:
        fault = drill.FAULTS[name]
        try_it = _of_files if fault.command[0] == "check" else _again
        yield from try_it(scratch, fault)


def parts(name: str) -> Iterator[tuple[int, edited_engine.Edits]]:
    """The whole engine, and then the engine without one part of a fault's check after the other."""
    yield -1, {}
    for number, (module, old, new) in enumerate(DISABLED[name]):
        yield number, {f"governed_ml.{module}": [(old, new)]}


def _again(scratch: BreakableScratch, fault: Fault) -> Iterator[Tried]:
    """Plant the fault anew for each part: what measures it may be what is broken."""
    drill.enter(scratch, fault.state)
    clean = scratch.clean(fault.state, fault.command)
    for number, edits in parts(fault.name):
        scratch.restore(fault.state)
        scratch.edits = edits
        try:
            sign = fault.spring(scratch)
            said = scratch.run(*fault.command)
        except Problem as problem:
            said = CommandResult(2, "", f"not planted: SpringError: {problem}")
            sign = Sign("")
        finally:
            scratch.edits = {}
        yield _tried(fault, number, sign, clean, said)


def _of_files(scratch: BreakableScratch, fault: Fault) -> Iterator[Tried]:
    """Plant the fault once; the check looks only at the files that it has touched."""
    clean = scratch.clean("measured", fault.command)
    scratch.restore("measured")
    start = scratch.start(["git", "rev-parse", "HEAD"]).out.strip()
    sign = fault.spring(scratch)
    words = [*fault.command, *(_touched(scratch, start) or ["params.yaml"])]
    planted = [one for one in (scratch.project / FIXED).glob("*") if one.is_file()]
    kept = {one: one.read_bytes() for one in planted}
    for number, edits in parts(fault.name):
        for path, content in kept.items():
            path.write_bytes(content)
        scratch.edits = edits
        said = scratch.run(*words)
        scratch.edits = {}
        yield _tried(fault, number, sign, clean, said)


def _tried(
    fault: Fault, number: int, sign: Sign, clean: CommandResult, said: CommandResult
) -> Tried:
    caught, reason = judged(sign, clean, said)
    failed = next((line for line in said.lines if ERROR.search(line)), "")
    return Tried(fault.name, number, caught, reason, failed)


def _touched(scratch: Scratch, since: str) -> list[str]:
    """The files that a fault has planted or changed: the check looks at these alone."""
    found = scratch.start(["git", "diff", "--name-only", "-z", since, "--"]).out.split("\0")
    return [one for one in found if one and (scratch.project / one).is_file()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for tried in each(Path.cwd(), Path(folder), sys.argv[1:]):
            print(json.dumps(tried), flush=True)

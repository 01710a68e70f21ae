"""A fault: what it plants, which command must report it, and when it counts as caught."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem, first_line
from governed_ml.drill.command_result import CommandResult, Sign, State

if TYPE_CHECKING:
    from governed_ml.drill.scratch import Scratch

WORSE = 0.01  # how much a value must increase with the fault for it to count as reported


class Nothing(Problem):
    """This project's configuration has nothing that the fault could damage."""


@dataclass(frozen=True)
class Fault:
    """A fault.

    `spring` plants it in the scratch copy and returns the sign `command` must report.
    """

    name: str
    about: str
    traps: tuple[int, ...]
    command: tuple[str, ...]
    spring: Callable[[Scratch], Sign]
    state: State = "measured"

    @property
    def by(self) -> str:
        """Return the command as people write it."""
        stage = self.command[0] == "stage"
        return f"dvc repro {self.command[1]}" if stage else f"governance {' '.join(self.command)}"


class FaultOutcome(Closed):
    """The outcome of one fault."""

    fault: str
    about: str
    traps: tuple[int, ...]
    state: Literal["caught", "got through", "not planted", "not applicable"]
    by: str = ""
    reason: str
    seconds: float = 0.0


def judged(sign: Sign, clean: CommandResult, now: CommandResult) -> tuple[bool, str]:
    """Return whether the fault was caught, and the reason that shows it (or the command's output).

    A failing exit code is not enough: the reason must name this fault, and must not have been
    reported without it.
    """
    if now.code == 0:
        return False, "the command found nothing wrong"
    by = _by_rule if sign.rule or now.rules else _by_line
    found = {words: by(words, sign.rule, clean, now) for words in sign.each}
    lost = [words for words, line in found.items() if not line]
    first, *others = found.values()
    if not lost:
        return True, f"{first} (and {len(others)} more)" if others else first
    if others:
        return False, (
            f"the command reported {len(found) - len(lost)} of {len(found)} signs of the fault, "
            f"but not: {', '.join(lost)}"
        )
    told = [f"{one['id']}: {one['reason']}" for one in now.rules] or now.lines or ["nothing"]
    said = first_line(ValueError(" / ".join(told)), 200)
    return False, f"the command failed, but did not report this fault ({lost[0]}): {said}"


def _by_line(words: str, rule: str, clean: CommandResult, now: CommandResult) -> str:
    before = [line for line in clean.lines if re.search(words, line)] if clean.code else []
    return next((line for line in now.lines if re.search(words, line) and line not in before), "")


def _by_rule(words: str, rule: str, clean: CommandResult, now: CommandResult) -> str:
    before = {one["id"]: one for one in clean.rules}
    for one in now.rules:
        if rule not in ("", one["id"]) or not re.search(words, one["reason"]):
            continue
        same = before.get(one["id"])
        if same is None or not re.search(words, same["reason"]) or _worse(same, one):
            return f"{one['id']}: {one['reason']}"
    return ""


def _worse(before: dict[str, Any], now: dict[str, Any]) -> bool:
    values = (before["value"], now["value"])
    return None not in values and values[1] > values[0] + WORSE


@dataclass
class Tally:
    """All outcomes, and notes about them."""

    outcomes: list[FaultOutcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0 if all faults were caught, 1 if one was not, 2 if one could not be planted."""
        states = {one.state for one in self.outcomes}
        return FOUND if "got through" in states else NO_ANSWER if "not planted" in states else 0

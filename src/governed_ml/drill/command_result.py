"""The result of a command, and the text by which it must report a fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

State = Literal["measured", "registered", "promoted"]


class Sign(NamedTuple):
    """Text by which a command reports this fault and no other; `rule` is the gate's rule, if any.

    If there are several texts, the command must report each of them: a fault planted in ten ways
    counts as caught only if all ten are reported.
    """

    words: str | tuple[str, ...]
    rule: str = ""

    @property
    def each(self) -> tuple[str, ...]:
        """Return the texts one by one."""
        return (self.words,) if isinstance(self.words, str) else self.words


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Return the printed lines, without progress messages."""
        printed = f"{self.err}\n{self.out}".splitlines()
        return [" ".join(line.split()) for line in printed if line.strip() and line[-1] != "…"]

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Return the rules that deny, if the output is a decision of the gate."""
        try:
            found = json.loads(self.out)["rules"]
        except (ValueError, KeyError, TypeError):
            return []
        return [one for one in found if one["verdict"] in ("fail", "insufficient")]

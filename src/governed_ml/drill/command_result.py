"""The result of a command, and the sign by which it must name a fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

State = Literal["measured", "registered", "promoted"]


class Sign(NamedTuple):
    """What a command says of this fault and of no other: words, of the gate in a rule's reason.

    Of several words each has to be told: what is spoilt in ten ways is caught only if all ten are.
    """

    words: str | tuple[str, ...]
    rule: str = ""

    @property
    def each(self) -> tuple[str, ...]:
        """Return the words one by one."""
        return (self.words,) if isinstance(self.words, str) else self.words


@dataclass(frozen=True)
class CommandResult:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Return what it printed, the words that progress is told in left out."""
        printed = f"{self.err}\n{self.out}".splitlines()
        return [" ".join(line.split()) for line in printed if line.strip() and line[-1] != "…"]

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Return the rules that deny, if this was the gate's decision."""
        try:
            found = json.loads(self.out)["rules"]
        except (ValueError, KeyError, TypeError):
            return []
        return [one for one in found if one["verdict"] in ("fail", "insufficient")]

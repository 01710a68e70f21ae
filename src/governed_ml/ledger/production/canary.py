"""The canary: the version that answers some subjects, and what the ledger records of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.ledger.events import Event

CanaryVerdict = Literal["pass", "fail", "insufficient"]
Ending = Literal["rules", "overdue", "stopped"]
MOST = 20  # reasons in an event


@dataclass(frozen=True)
class Canary:
    """A running canary: the version, and the share of subjects that it answers, in percent.

    `step` counts its steps from 1. `since` is the time at which the step began.
    """

    version: int
    share: int
    step: int
    since: str


class JudgedCanaryRule(Closed):
    """The verdict of one rule about a canary, and what it rests on."""

    verdict: CanaryVerdict = Field(description="the answer for the rule")
    value: float | None = Field(description="the metric; null if it could not be measured")
    lower: float | None = Field(default=None, description="its lower bound; null if it has none")
    upper: float | None = Field(default=None, description="its upper bound; null if it has none")
    n: int | None = Field(default=None, description="number of rows behind it")
    limit: float = Field(description="the rule's limit")
    reason: str = Field(default="", max_length=400, description="what was found, in words")


class CanaryRecord(Closed):
    """The record of one judgement of a canary: the `details` of its ledger event."""

    champion: int = Field(description="the champion that the canary is compared with")
    share: int = Field(description="the share of subjects from now on, in percent")
    protected: str = Field(description="the commit of `main` whose rules were applied")
    since: str = Field(description="the time at which the judged step began")
    until: str | None = Field(default=None, description="the time of the newest row that counted")
    rows: dict[Literal["champion", "canary"], int] = Field(
        description="the rows that each of the two answered in this step"
    )
    rules: dict[str, JudgedCanaryRule] = Field(description="rule → its verdict and numbers")
    reasons: list[str] = Field(max_length=MOST, description="why, in words")
    ending: Ending | None = Field(
        default=None, description="reverted: because of rules, of its age, or of a person"
    )


def illegal(now: Canary | None, champion: int | None, event: Event) -> str | None:
    """Return why an event about a canary is not allowed, or None.

    `now` is the running canary, and `champion` the champion's number.
    """
    if event.action == "canary_started":
        if champion is None:
            return "there is no champion to compare a canary with"
        return f"version {now.version} is a canary already" if now else None
    if now is None or now.version != event.version:
        return f"version {event.version} is no canary"
    return None


def after(now: Canary | None, event: Event) -> Canary | None:
    """Return the canary after an event about it that is allowed."""
    share = event.details.get("share")
    if event.action == "canary_reverted" or event.version is None or not isinstance(share, int):
        return None
    if event.action == "canary_held":
        return now
    step = 1 if now is None or event.action == "canary_started" else now.step + 1
    return Canary(event.version, share, step, event.time)


def quarantines(event: Event) -> bool:
    """Return whether an event ends a canary because it broke rules of the policy."""
    return event.action == "canary_reverted" and event.details.get("ending") == "rules"

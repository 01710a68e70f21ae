"""The answer of the approval hook: approved, pending or blocked, why, and about what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.files import digest_of
from governed_ml.ledger.lifecycle import MAKES_CHAMPION, Lifecycle, State, Version
from governed_ml.serving.hook.question import BOUND

Result = Literal["approved", "pending", "blocked"]
MOST_VOID = 3  # void events that an answer lists


class HookAnswer(Closed):
    """What the ledger and the policy say of one version, now."""

    result: Result = Field(
        description="approved: it may be deployed; pending: people can still approve it; blocked: "
        "anything else"
    )
    reasons: list[str] = Field(default=[], description="why it is not approved")
    version: int | None = Field(default=None, description="the version; none if none was found")
    state: State | None = Field(default=None, description="the version's state in the ledger")
    missing: list[str] = Field(default=[], description="pending: the roles that must still approve")
    subject: dict[str, str] = Field(
        default={}, description="what the approvals are for: name, commit and digests"
    )
    ledger: str | None = Field(default=None, description="the ledger's last event, as a commit")
    protected: str | None = Field(
        default=None, description="the commit of the protected branch whose rules were applied"
    )
    policy_in_force: str | None = Field(
        default=None, description="the digest of the policy of that commit"
    )
    answer_id: str = Field(default="", description="digest of all other fields")

    def named(self) -> HookAnswer:
        """Return the answer with its id; the same answer has the same id."""
        values: dict[str, Any] = self.model_dump(mode="json", exclude={"answer_id"})
        return self.model_copy(update={"answer_id": digest_of(values)})

    def line(self, most: int = 400) -> str:
        """Return the answer in one short line."""
        about = f"version {self.version}: " if self.version is not None else ""
        said = f"{self.result}: {about}{'; '.join(self.reasons) or 'it may be deployed'}"
        return said if len(said) <= most else f"{said[: most - 1]}…"


def bound(version: Version, policy: str) -> dict[str, str]:
    """Return what the approvals of a version are for, under the policy with this digest."""
    subject = version.subject | {"policy": policy}
    return {name: subject[name] for name in BOUND if name in subject}


def for_another(version: Version, subject: dict[str, str], name: str) -> str:
    """Return the reason that a caller asked about something else than what was approved."""
    own = subject.get(name)
    what = f"it is for {own}" if own else "none was recorded"
    return f"an approval of version {version.number} is for another {name} than asked: {what}"


def out_of_use(version: Version) -> str:
    """Return why a version that is retired, quarantined or rejected is blocked."""
    last = version.entries[-1].event
    why = f": {last.reason}" if last.reason else ""
    if version.state == "retired":
        return f"version {version.number} was replaced by version {last.version} ({_event(last)})"
    if version.state == "rejected":
        return f"version {version.number} was rejected ({_event(last)}){why}"
    if last.action in MAKES_CHAMPION:
        return f"version {version.number} was rolled back ({_event(last)}){why}"
    return f"version {version.number} was denied when it was registered ({_event(last)})"


def _event(event: Any) -> str:
    return f"event {event.sequence}"


def void_events(life: Lifecycle, number: int) -> Sequence[str]:
    """Return the void events about a version, the last ones first."""
    found = [str(one) for one in life.void if one.entry.event.version == number]
    return found[::-1][:MOST_VOID]

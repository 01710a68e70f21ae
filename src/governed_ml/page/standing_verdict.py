"""The verdict that the page may show: the decision's, if it is about the current files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from governed_ml.core.config.params import Params
from governed_ml.core.files import digest_of
from governed_ml.core.problem import Unusable
from governed_ml.page.records import Records
from governed_ml.policy.decision import LETS_THROUGH, Decision

Shown = Literal["allow", "deny", "cannot be judged"]


@dataclass(frozen=True)
class Standing:
    """The verdict that is shown, and the objections to the decision that was read."""

    verdict: Shown
    doubts: list[str]
    foreign: dict[str, str]  # gate → why the decision was not made with its evidence


def standing(records: Records) -> Standing:
    """Compare the decision with the other records. A deny always stands; an allow must fit them."""
    decision, foreign = records.decision, {}
    life = None if isinstance(records.ledger, Unusable) else records.life
    doubts = [
        f"{what}: {record}"
        for what, record in (
            ("the ledger cannot be read", records.ledger),
            ("conf/ cannot be read", records.params),
            ("the ledger cannot be followed", life),
        )
        if isinstance(record, Unusable)
    ]
    if isinstance(decision, Unusable):
        foreign = dict.fromkeys(records.evidence, "there is no decision")
        verdict: Shown = "cannot be judged"
        doubts.insert(0, f"there is no decision that can be read: {decision}")
    else:
        foreign = _foreign(records, decision)
        doubts += list(dict.fromkeys(foreign.values()))
        doubts += _of_policy(decision, records.params, records.drawn.date())
        doubts += [*records.changed, *_of_ledger(records)]
        verdict = "cannot be judged" if decision.verdict == "allow" and doubts else decision.verdict
    return Standing(verdict, doubts, foreign)


def _foreign(records: Records, decision: Decision) -> dict[str, str]:
    """Return gate → why the decision was not made with the evidence that is here."""
    judged, found = decision.subject.evidence, {}
    for gate, evidence in records.evidence.items():
        if isinstance(evidence, Unusable):
            found[gate] = f"there is no evidence of {gate} that can be trusted: {evidence}"
        elif gate not in judged:
            found[gate] = f"the decision was made without the evidence of {gate} that is here"
        elif judged[gate] != records.digests[gate]:
            found[gate] = f"the evidence of {gate} has changed since the decision was made"
    unknown = sorted(judged.keys() - records.evidence.keys())
    return found | {
        gate: f"the decision was made on evidence of {gate}, which is not here" for gate in unknown
    }


def _of_ledger(records: Records) -> list[str]:
    version = None if isinstance(records.told, Unusable) else records.told.version
    if version is None or version.state not in ("quarantined", "rejected"):
        return []
    return [f"the ledger has this model as version {version.number}, {version.state}"]


def _of_policy(decision: Decision, params: Params | Unusable, today: date) -> list[str]:
    bad = [rule.id for rule in decision.rules if rule.verdict not in LETS_THROUGH]
    found: list[str] = []
    if decision.verdict == "allow" and (bad or not decision.rules):
        why = f"{', '.join(bad)} did not pass" if bad else "it judged no rule"
        found.append(f"the decision contradicts itself: it says allow, but {why}")
    if isinstance(params, Unusable):
        return found
    if decision.policy_digest != digest_of(params.policy.model_dump(mode="json")):
        found.append("the policy in conf/ has changed since the decision was made")
    waived = {rule.id for rule in decision.rules if rule.verdict == "waived"}
    for waiver in params.policy.waivers:
        used = any(waiver.rule in (name, name.partition("[")[0]) for name in waived)
        if used and waiver.expires < today:
            found.append(f"the waiver for {waiver.rule} has expired on {waiver.expires}")
    return found

"""Differences between two configurations: loosened, tightened or only changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Policy
from governed_ml.policy.weaker_policy import (
    PACKAGES,
    weaker_approvals,
    weaker_canary,
    weaker_monitoring,
    weaker_packages,
    weaker_rule,
    weaker_settings,
)

ANSWER = ("target", "positive", "classes", "task")
"""Keys of `data` that say what is predicted."""
COMPARED_APART = {"sensitive", "proxies", "prediction_contract", *ANSWER}
WORDS = {"name", "no_sensitive_reason"}  # keys of `data` that affect no number
Kind = Literal["loosened", "tightened", "changed"]


@dataclass(frozen=True)
class Change:
    """One difference: the rule, the direction, and the new value."""

    rule: str
    kind: Kind
    what: str


def between(old: Params, new: Params) -> Iterator[Change]:
    """Yield the differences between two configurations."""
    yield from _rules(old.policy, new.policy)
    yield from _waivers(old.policy, new.policy)
    yield from _frame(old.policy, new.policy)
    yield from _measured(old, new)


def _rules(old: Policy, new: Policy) -> Iterable[Change]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for name, rule in before.items():
        now = after.get(name)
        if now is None:
            yield Change(name, "loosened", "the rule was removed")
        elif why := weaker_rule(now, rule, "the base"):
            yield Change(name, "loosened", why)
        elif why := weaker_rule(rule, now, "the change"):
            yield Change(name, "tightened", why.replace(" is ", " was ", 1))
        elif now != rule:
            yield Change(name, "changed", "its owner or its wording changed")
    for name in after.keys() - before.keys():
        yield Change(name, "tightened", "the rule is new")


def _waivers(old: Policy, new: Policy) -> Iterable[Change]:
    before = {one.rule: one for one in old.waivers}
    after = {one.rule: one for one in new.waivers}
    for name, waiver in after.items():
        was = before.get(name)
        if was is None or waiver.expires > was.expires:
            yield Change(name, "loosened", f"waived until {waiver.expires} by {waiver.approved_by}")
        elif waiver != was:
            yield Change(name, "changed", "the waiver's words changed, or it ends earlier")
    for name in before.keys() - after.keys():
        yield Change(name, "tightened", "the waiver was removed")


def _frame(old: Policy, new: Policy) -> Iterable[Change]:
    if old.name != new.name:
        yield Change("policy", "changed", f"{new.name}, it was {old.name}")
    if new.confidence < old.confidence:
        yield Change("confidence", "loosened", f"{new.confidence}, the base has {old.confidence}")
    elif new.confidence > old.confidence:
        yield Change("confidence", "tightened", f"{new.confidence}, it was {old.confidence}")
    for name, why in weaker_settings(new, old, "the base").items():
        yield Change(name, "loosened", why)
    for name, why in weaker_settings(old, new, "the change").items():
        yield Change(name, "tightened", why.replace("is ", "was ", 1))
    if why := weaker_packages(new, old, "the base"):
        yield Change(PACKAGES, "loosened", why)
    elif weaker_packages(old, new):
        yield Change(PACKAGES, "tightened", "conf/model may name fewer packages")
    if old.approvals is not None:
        why = weaker_approvals(new.approvals, old.approvals, "the base")
        if why:
            yield Change("approvals", "loosened", why)
    yield from _production(old, new)
    if old.floor is not None and old.floor != new.floor:
        yield Change("floor", "loosened", "the organisation's floor was removed or changed")


def _production(old: Policy, new: Policy) -> Iterable[Change]:
    if old.monitoring is None and new.monitoring is not None:
        yield Change("monitoring", "tightened", "production is monitored now")
    if old.monitoring is not None:
        yield from _both_ways(
            weaker_monitoring(new.monitoring, old.monitoring, "the base"),
            weaker_monitoring(old.monitoring, new.monitoring or old.monitoring, "the change"),
        )
    if (old.canary is None) != (new.canary is None):
        said = "a canary is possible now" if new.canary else "a canary is no longer possible"
        yield Change("canary", "changed", said)
    if old.canary is not None and new.canary is not None:
        yield from _both_ways(
            weaker_canary(new.canary, old.canary, "the base"),
            weaker_canary(old.canary, new.canary, "the change"),
        )


def _both_ways(looser: Mapping[str, str], stricter: Mapping[str, str]) -> Iterable[Change]:
    """Yield what was loosened; what else differs was tightened."""
    yield from (Change(name, "loosened", why) for name, why in looser.items())
    for name, why in stricter.items():
        if name not in looser:
            was = why.replace(" is ", " was ", 1).replace(" are ", " were ", 1)
            yield Change(name, "tightened", was)


def _measured(before: Params, after: Params) -> Iterable[Change]:
    """Yield changes outside the rules that affect which rules apply and what they measure."""
    old, new = before.data, after.data
    for name, one in old.sensitive.items():
        now = new.sensitive.get(name)
        if now is None:
            yield Change(f"data.sensitive.{name}", "loosened", "it is no longer measured")
        elif now != one:
            yield Change(f"data.sensitive.{name}", "loosened", "it is grouped differently")
    for name in sorted(set(old.proxies) - set(new.proxies)):
        yield Change(
            f"data.proxies.{name}", "loosened", "it is no longer a proxy, so it may be a feature"
        )
    for name in ANSWER:
        if getattr(old, name) != getattr(new, name):
            yield Change(f"data.{name}", "loosened", "it has changed")
    for name in sorted(type(old).model_fields.keys() - COMPARED_APART):
        kind: Kind = "changed" if name in WORDS else "loosened"
        yield from _other(f"data.{name}", getattr(old, name), getattr(new, name), kind)
    was, now = old.prediction_contract, new.prediction_contract
    kind = "tightened" if was is None else "loosened"
    yield from _other("data.prediction_contract", was, now, kind)
    for name in type(before.split).model_fields:
        yield from _other(f"split.{name}", getattr(before.split, name), getattr(after.split, name))
    yield from _other("seed", before.seed, after.seed)
    if before.deployment != after.deployment:
        yield Change("deployment", "loosened", "it has changed, and rules ask for it")
    for section in ("monitor", "notify", "serve"):
        one, two = getattr(before, section), getattr(after, section)
        for name in type(one).model_fields:
            was = getattr(one, name)
            kind = "tightened" if was is None else "loosened"
            yield from _other(f"{section}.{name}", was, getattr(two, name), kind)


def _other(name: str, old: Any, new: Any, kind: Kind = "loosened") -> Iterable[Change]:
    """Yield a change of a value that is neither stricter nor laxer; the risk owner looks at it."""
    if old != new:
        yield Change(name, kind, f"{_short(old)} → {_short(new)}")


def _short(value: Any) -> str:
    plain = (
        value.model_dump(mode="json", exclude_defaults=True)
        if isinstance(value, BaseModel)
        else value
    )
    text = json.dumps(plain, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"


def contracts(old: list[Any], new: list[Any], rule: str = "validate.contract") -> Iterable[Change]:
    """Yield expectations of a contract that were removed or changed; `rule` judges it."""
    lost = [one for one in old if one not in new]
    if lost:
        columns = sorted({str(_kwargs(one).get("column", "the table")) for one in lost})
        yield Change(
            rule,
            "loosened",
            f"{len(lost)} expectations were removed or changed: {', '.join(columns[:5])}",
        )


def _kwargs(expectation: Mapping[str, Any]) -> dict[str, Any]:
    found = expectation["kwargs"]
    return found if isinstance(found, dict) else {}

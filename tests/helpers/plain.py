"""The right verdict of every rule: limits from `conf/policy/`, numbers from `plain_facts`."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import policies
from plain_facts import Facts
from plain_measures import Number


class Right(NamedTuple):
    """What a rule must say: verdict, number and limit."""

    verdict: str
    number: Number
    limit: float | None


def right_verdicts(facts: Facts, tier: str) -> dict[str, Right]:
    """Spell out the policy's rules for this table, and judge each."""
    policy = policies.read(facts.folder / "conf" / "policy", tier)
    numbers = facts.numbers(policy["confidence"])
    members = {
        "feature": list(facts.features),
        "attribute": list(facts.groups),
        "sensitive": ["*".join(columns) for columns in facts.intersections],
    }
    found: dict[str, Right] = {}
    for rule in policy["rules"]:
        if rule.get("task", facts.task) != facts.task:
            continue
        if "require" in rule:
            found[rule["id"]] = Right(required(rule["id"], facts), Number(None), None)
            continue
        limit = rule.get("block", rule.get("warn"))
        if rule["id"] == "evaluate.champion":  # applies where there is a champion
            assert not (facts.folder / "models" / "champion" / "model.skops").exists()
            found[rule["id"]] = Right("pass", Number(None), limit)
            continue
        if rule["id"] == "evaluate.prediction_contract":  # applies where there is one
            assert "prediction_contract" not in facts.data
            found[rule["id"]] = Right("pass", Number(None), limit)
            continue
        for each in members[rule["each"]] if "each" in rule else [None]:
            number = numbers[rule["metric"].replace("{each}", each or "")]
            name = rule["id"] if each is None else f"{rule['id']}[{each}]"
            found[name] = Right(verdict(rule, number), number, limit)
    return found


def required(name: str, facts: Facts) -> str:
    """The CEL rule by hand: sensitive attributes are declared, or it is said why there is none."""
    holds = {
        "fairness.declared": len(facts.groups.columns) >= 1
        or facts.data.get("no_sensitive_reason", "") != "",
    }
    return "pass" if holds[name] else "fail"


def verdict(rule: dict[str, Any], number: Number) -> str:
    """Hold a number against a rule: beyond `block` fails, beyond `warn` warns.

    With interval evidence the whole interval has to be on one side of `block`.
    """
    if number.value is None or (number.n or 0) < rule.get("minimum_n", 0):
        return "insufficient"
    sign = -1 if rule.get("bound") == "at_least" else 1
    if "block" in rule:
        reach = [number.value, surely(rule, number)]
        if rule.get("evidence") == "interval":
            reach = [number.lower, number.upper]
        outside = [sign * x > sign * rule["block"] for x in reach if x is not None]
        if any(outside):
            return "fail" if all(outside) else "insufficient"
    found = surely(rule, number)
    return "warn" if "warn" in rule and sign * found > sign * rule["warn"] else "pass"


def surely(rule: dict[str, Any], number: Number) -> float:
    """The number that a limit has to be passed by: the nearer bound where chance must not do it."""
    near = number.upper if rule.get("bound") == "at_least" else number.lower
    chance = rule.get("evidence") == "beyond_chance" and near is not None
    return near if chance and near is not None else number.value or 0.0


def differences(judged: list[dict[str, Any]], right: dict[str, Right]) -> list[str]:
    """Compare a decision with the right verdicts, rule by rule."""
    found = [f"{rule['id']} is not expected" for rule in judged if rule["id"] not in right]
    by_id = {rule["id"]: rule for rule in judged}
    if len(by_id) != len(judged):
        found.append("a rule was judged twice")
    for name, (said, number, limit) in right.items():
        rule = by_id.get(name)
        if rule is None:
            found.append(f"{name} was not judged")
            continue
        if (rule["verdict"], rule["limit"]) != (said, limit):
            found.append(f"{name}: {json.dumps(rule)} but right is {said}, limit {limit}: {number}")
        exact = name.startswith(("drift.", "fairness."))
        if not close(rule["value"], number.value, 1e-12 if exact else 1e-9):
            found.append(f"{name}: value {rule['value']!r}, right is {number.value!r}")
        lower, upper = rule["interval"] or (None, None)
        if not (close(lower, number.lower, 1e-9) and close(upper, number.upper, 1e-9)):
            found.append(f"{name}: interval {rule['interval']}, right is {number}")
    return found


def close(one: float | None, other: float | None, tolerance: float) -> bool:
    """Return whether two numbers are equal up to a tolerance, or both are none."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance

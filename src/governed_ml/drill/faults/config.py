"""Faults in `conf/`: edited output, loosened limits, long waivers, invalid configuration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from governed_ml.core.config.policy_schema import Policy, Rule
from governed_ml.core.problem import Problem
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch

CONFIG = ("check", "config")
TIERS = ("minimal", "limited", "high")  # each has its own policy
MEMBERS: dict[str, tuple[str | bytes, str]] = {
    "data/drill.yaml": ("name: drill\ntask: classification\n", "data.source: this key is missing"),
    "model/drill.yaml": ("name: drill\nestimator: {_target_: os.system}\n", "is not from"),
}


def by_hand(scratch: Scratch) -> Sign:
    """Edit the composed configuration instead of `conf/`."""
    scratch.edit_yaml("params.yaml", lambda values: values.update(seed=values["seed"] + 1))
    scratch.commit("Another seed")
    return Sign(r"seed .*params\.yaml")


def numeric(scratch: Scratch) -> Rule:
    """Return the policy's first rule with a limit on a single metric."""
    for rule in scratch.params().policy.rules:
        if rule.metric and not rule.each and rule.block is not None:
            return rule
    raise Problem(
        "the policy has no rule with a limit on one number, so the drill cannot loosen any"
    )


def own_rule(rules: Any, name: str) -> Any:
    """Return the part of a rule in a tier's policy file, to be edited; `base.yaml` has the rest."""
    if isinstance(rules, list):
        return next(one for one in rules if one["id"] == name)
    return rules.setdefault(name, {})


def waived(values: Any, rule: str, policy: Policy) -> str:
    """Add a waiver that expired yesterday for a rule to a policy file; return that day."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    others = [one.model_dump() for one in policy.waivers if one.rule != rule]
    own = {"rule": rule, "reason": "until it is fixed", "approved_by": "@somebody"}
    values["waivers"] = [*others, {**own, "expires": yesterday}]
    return str(yesterday)


def members(scratch: Scratch) -> Sign:
    """Commit unused files with errors and expired waivers; then loosen a limit."""
    rule, told = numeric(scratch), scratch.plant_each("conf/", MEMBERS).each
    limit, policy = rule.block or 0.0, scratch.params().policy
    chosen = f"{policy.name}.yaml"
    one, other = (f"{tier}.yaml" for tier in TIERS if f"{tier}.yaml" != chosen)
    text = (scratch.project / "conf" / "policy" / chosen).read_bytes()
    scratch.plant({f"conf/policy/{name}": text for name in (one, other)})

    def too_long(values: Any) -> None:
        values["name"] = one.removesuffix(".yaml")
        waived(values, rule.id, policy)

    def no_rule(values: Any) -> None:
        values["name"] = other.removesuffix(".yaml")
        own_rule(values.setdefault("rules", {}), rule.id)["when"] = "evidence >="

    def loosened(values: Any) -> None:
        mine = own_rule(values.setdefault("rules", {}), rule.id)
        mine["block"] = limit + (1 if rule.bound == "at_most" else -1)

    scratch.edit_yaml(f"conf/policy/{chosen}", lambda values: waived(values, rule.id, policy))
    scratch.edit_yaml(f"conf/policy/{one}", too_long)
    scratch.edit_yaml(f"conf/policy/{other}", no_rule)
    scratch.commit("Nobody has chosen it")
    scratch.edit_yaml(f"conf/policy/{chosen}", loosened)
    over = rf"the waiver for {rule.id} expired on "
    return Sign(
        (
            *told,
            *(rf"policy/{name}: {over}" for name in (chosen, one)),
            rf"policy/{other}: .* is not valid CEL",
            rf"^note: loosened: {rule.id}: block is ",
        )
    )


def torn(scratch: Scratch) -> Sign:
    """Commit a configuration that does not compose."""
    scratch.edit_yaml("conf/config.yaml", lambda values: values.update(seed="none"))
    scratch.commit("No seed")
    return Sign(r"conf/config\.yaml: seed: ")


FAULTS = (
    Fault("edited-params", "params.yaml was edited by hand", (12,), CONFIG, by_hand),
    Fault(
        "loose-member",
        "an unused file of conf/ is invalid, or its waiver expired",
        (29, 30),
        CONFIG,
        members,
    ),
    Fault("torn-conf", "conf/ cannot be composed", (), CONFIG, torn),
)

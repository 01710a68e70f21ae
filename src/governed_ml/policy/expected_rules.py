"""Expand a policy to the exact list of rules that must be judged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from governed_ml.core.config.closed_model import Task
from governed_ml.core.config.policy_schema import Policy, Rule
from governed_ml.core.tables import in_drift


@dataclass(frozen=True)
class Scope:
    """The values that `each` in a rule stands for.

    `features` and those of them that are `numeric` are None if no evidence lists them. `classes`
    are those that `conf/data` lists: a target with one favourable value has none.
    """

    task: Task
    features: tuple[str, ...] | None
    attributes: tuple[str, ...]
    numeric: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Return the attributes and all their intersections, such as `sex*race`."""
        sizes = range(1, len(self.attributes) + 1)
        return tuple("*".join(names) for k in sizes for names in combinations(self.attributes, k))


@dataclass(frozen=True)
class BoundRule:
    """A rule about one specific metric, after `each` was expanded."""

    id: str
    rule: Rule
    metric: str | None


def metric_of(metric: str, each: str) -> str:
    """Return a rule's metric about one feature, attribute, intersection or class."""
    return metric.replace("{each}", in_drift(each) if metric.startswith("drift.") else each)


def expected(policy: Policy, scope: Scope) -> list[BoundRule]:
    """Expand the policy's rules for a task, its features and its sensitive attributes.

    If the features are unknown, a rule over features becomes one rule `id[*]`, which no evidence
    can satisfy.
    """
    bound: list[BoundRule] = []
    for rule in policy.rules:
        if rule.task not in (None, scope.task):
            continue
        if rule.each is None or rule.metric is None:
            bound.append(BoundRule(rule.id, rule, rule.metric))
            continue
        names = {
            "feature": scope.features,
            "numeric": scope.numeric,
            "attribute": scope.attributes,
            "sensitive": scope.sensitive,
            "class": scope.classes,
        }
        members = names[rule.each]
        for name in ("*",) if members is None else members:
            bound.append(BoundRule(f"{rule.id}[{name}]", rule, metric_of(rule.metric, name)))
    return bound

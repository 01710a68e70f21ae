"""What a rule asks for, in one sentence. Pure."""

from __future__ import annotations

from governed_ml.core.config.policy_schema import Rule
from governed_ml.policy.limits import number
from governed_ml.policy.metric_words import words_of


def sentence(rule: Rule, subject: str = "") -> str:
    """Say what `rule` asks for; `subject` is the feature, attribute or group that it is about."""
    if rule.metric is None:
        return f"This expression must be true: {rule.require}.{_when(rule)}"
    known = words_of(rule.metric.replace("{each}", subject or "each"))
    what = known.phrase if known else f"the metric {rule.metric}"
    about = f"For {subject}, {what}" if subject else what[:1].upper() + what[1:]
    return f"{about} {'; '.join(_limits(rule))}.{_when(rule)}"


def _limits(rule: Rule) -> list[str]:
    side = rule.bound.replace("_", " ")
    beyond = "above" if rule.bound == "at_most" else "below"
    found: list[str] = []
    if rule.block is not None:
        sure = {
            "point": "",
            "interval": ", with its whole confidence interval",
            "beyond_chance": ", and the rule fails only if chance does not explain the excess",
        }[rule.evidence]
        found.append(f"must be {side} {number(rule.block)}{sure}")
    if rule.warn is not None:
        found.append(
            f"{beyond} {number(rule.warn)} the rule warns"
            if found
            else f"should be {side} {number(rule.warn)}; the rule only warns"
        )
    if rule.minimum_n is not None:
        found.append(f"fewer than {rule.minimum_n:,} rows are insufficient")
    return found


def _when(rule: Rule) -> str:
    return f" It applies only where {rule.when} is true." if rule.when else ""

"""Find gaps in the protection of GitHub's environments and branches (pure functions)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governed_ml.core.repository import PROTECTED
from governed_ml.github.responses import BranchRule
from governed_ml.github.settings import ACTIONS, BRANCH, DECISION, EVERY, PROTECTED_ONLY, Values

FIX = "ask an administrator to run `uv run governance github apply`"
ENTERPRISE = (
    "if the repository is private, required reviewers need GitHub Enterprise; without it, "
    f"open a promotion pull request from {BRANCH}… to {PROTECTED}, and give its number"
)


def environment_doubts(
    name: str, found: Values | None, classic: bool, *, reviewed: bool
) -> list[str]:
    """Return the gaps in an environment's protection.

    `classic` says whether the protected branch has classic branch protection. With rulesets alone,
    the option "protected branches" lets every branch deploy.
    """
    if found is None:
        return [f"it does not exist, and GitHub would create it without protection: {FIX}"]
    lines: list[str] = []
    if reviewed and not found["reviewers"]:
        lines.append(f"it requires no review: {FIX}; {ENTERPRISE}")
    if (reviewed or found["reviewers"]) and not found["prevent_self_review"]:
        lines.append(f"whoever starts a run may also review it (prevent_self_review is off): {FIX}")
    if found["can_admins_bypass"] is not False:
        lines.append(f"administrators may bypass it (can_admins_bypass): {FIX}")
    branches = found["branches"]
    if branches == EVERY or (branches == PROTECTED_ONLY and not classic):
        why = (
            ""
            if branches == EVERY
            else (f", because it allows protected branches and {PROTECTED} is not protected")
        )
        lines.append(f"every branch may deploy{why}; limit it to {PROTECTED}: {FIX}")
    elif branches not in ([PROTECTED], PROTECTED_ONLY):
        shown = ", ".join(branches) or "no branch"
        lines.append(f"{shown} may deploy, but only {PROTECTED} should: {FIX}")
    return lines


def disjoint_doubts(found: Sequence[Values | None]) -> list[str]:
    """Return a fault for each reviewer of two environments: one approval would count twice."""
    everybody = [one for values in found if values for one in set(values["reviewers"])]
    twice = sorted({one for one in everybody if everybody.count(one) > 1})
    return [
        (
            f"{one} is a reviewer of two environments, but may be one of only one: name different "
            f"owners in conf/config.yaml, then {FIX}"
        )
        for one in twice
    ]


def main_doubts(rules: Sequence[BranchRule]) -> list[str]:
    """Return what the protected branch's rules fail to require; several rules add up."""
    lines = ledger_doubts(rules)
    reviews = [one.parameters for one in rules if one.type == "pull_request"]
    most = max([_number(one.get("required_approving_review_count")) for one in reviews], default=0)
    asked = {
        "it requires no pull request with an approval": most >= 1,
        "it requires no review by the code owners": _any(reviews, "require_code_owner_review"),
        "it counts reviews from before the last push": _any(
            reviews, "dismiss_stale_reviews_on_push"
        ),
        "whoever pushed last may approve": _any(reviews, "require_last_push_approval"),
        f"it requires no status check `{DECISION}` by GitHub Actions": any(
            one.get("context") == DECISION and one.get("integration_id") == ACTIONS
            for rule in rules
            if rule.type == "required_status_checks"
            for one in rule.parameters.get("required_status_checks") or []
        ),
    }
    return [*lines, *(f"{why}: {FIX}" for why, good in asked.items() if not good)]


def ledger_doubts(rules: Sequence[BranchRule]) -> list[str]:
    """Return a fault if the ledger's branch may be rewritten or deleted."""
    kinds = {one.type for one in rules}
    asked = {"non_fast_forward": "it may be rewritten", "deletion": "it may be deleted"}
    return [f"{why} (no rule {kind}): {FIX}" for kind, why in asked.items() if kind not in kinds]


def _any(reviews: Sequence[Values], name: str) -> bool:
    return any(one.get(name) is True for one in reviews)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0

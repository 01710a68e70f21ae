"""What must hold on GitHub before a workflow's job names an environment.

GitHub makes an environment that is not there, unprotected, the moment a job names it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config import Closed
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED
from governed_ml.core.shared_stores import unshared
from governed_ml.github import workflow_output
from governed_ml.github.client import Refused
from governed_ml.github.current_settings import CODEOWNERS, READER, Hub, opened
from governed_ml.github.responses import BranchRule
from governed_ml.github.settings import (
    ACTIONS,
    BRANCH,
    DECISION,
    EVERY,
    MONITORING,
    OWNERS,
    PRODUCTION,
    PROTECTED_ONLY,
    REGISTRY,
    RETRAINING,
    Values,
    environments,
    owners,
)
from governed_ml.ledger import approvers
from governed_ml.ledger.rules_in_force import Today
from governed_ml.ledger.storage import BRANCH as LEDGER

MEND = "an administrator runs `uv run governance github apply`"
ENTERPRISE = (
    "a private repository needs GitHub Enterprise for required reviewers: else open a promotion "
    f"pull request from {BRANCH}… to {PROTECTED}, and give its number"
)
State = Literal["holds", "fails", "unknown"]
Purpose = Literal["promotion", "rollback", "monitor", "retrain"]
NAMED = {
    "promotion": (PRODUCTION, REGISTRY),
    "rollback": (PRODUCTION, REGISTRY),
    "monitor": (MONITORING,),
    "retrain": (REGISTRY, RETRAINING, MONITORING),
}
"""Purpose of a run → the environments that its jobs name, but for those in which people say yes."""
ALONE = {
    "rollback": "a rollback asks nobody: its reason is recorded, and who started it",
    "monitor": "monitoring asks nobody: what it finds and asks for is recorded",
    "retrain": "retraining asks nobody: it opens a pull request, and promotes nothing",
}


class Check(Closed):
    """One condition: what does not hold, or could not be asked, and what mends it."""

    name: str
    state: State
    line: str = ""


class Preflight(Closed):
    """All conditions, and by which path people say yes."""

    path: Literal["environments", "pull-request", "rollback", "monitor", "retrain"]
    roles: list[str]
    checks: list[Check]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Return 0: all hold; 1: something does not; 2: something could not be asked."""
        states = {one.state for one in self.checks}
        return 2 if "unknown" in states else 1 if "fails" in states else 0


def preflight(base: Path, pull: int | None = None, purpose: Purpose = "promotion") -> Preflight:
    """Ask GitHub about everything that a run rests on; all failures, not the first.

    Of a promotion by a pull request, and of what is no promotion, no run names the environments in
    which people say yes.
    """
    with opened(base, READER) as hub:
        now, branch = hub.today(base)
        named, notes = environments(now)
        asked = {} if pull or purpose in ALONE else named
        checks = _here(base)
        found: dict[str, Values | None] = {}
        for name in (*asked, *NAMED[purpose]):

            def ask(name: str = name) -> list[str]:
                found[name] = hub.environment(name)
                return environment_doubts(name, found[name], branch.classic, reviewed=name in named)

            checks += _asked(f"environment {name}", ask)
        checks += _asked(f"rules of {LEDGER}", lambda: ledger_doubts(hub.rules(LEDGER)))
        if purpose == "monitor":
            checks += _made("batch source", _sourceless(now), "unknown")
        if purpose in ALONE:  # in need, nothing else may stand in its way
            notes = [ALONE[purpose]]
        else:
            checks += _people(now, None if pull else list(named.values()))
            checks += _made(
                "reviewers", disjoint_doubts([found[name] for name in asked if name in found])
            )
            checks += _asked(f"rules of {PROTECTED}", lambda: main_doubts(hub.rules(PROTECTED)))
            checks += _asked(CODEOWNERS, lambda: _codeowners(hub, base, now.commit))
        if pull:
            checks += _asked(f"pull request {pull}", lambda: _pull_doubts(hub, pull))
            for name in named:
                checks += _asked(f"environment {name}", lambda name=name: _unused(hub, name))
    notes = [*notes, "who may bypass rulesets is seen by `governance github verify` alone"]
    if not workflow_output.here():
        notes = [*notes, "asked only in a workflow: its branch, tracking server, DVC's remote"]
    path = "pull-request" if pull else "environments" if purpose == "promotion" else purpose
    roles = now.policy.approvals.roles if now.policy.approvals else []
    return Preflight(path=path, roles=roles, checks=checks, notes=notes)


def environment_doubts(
    name: str, found: Values | None, classic: bool, *, reviewed: bool
) -> list[str]:
    """Return why an environment would let through what it must not; `classic`: main is protected.

    With rulesets alone, "protected branches" lets every branch deploy.
    """
    if found is None:
        return [f"it is not there, and GitHub would make it, unprotected: {MEND}"]
    lines: list[str] = []
    if reviewed and not found["reviewers"]:
        lines.append(f"nobody has to review: {MEND}; {ENTERPRISE}")
    if (reviewed or found["reviewers"]) and not found["prevent_self_review"]:
        lines.append(f"who starts a run may review it (prevent_self_review is off): {MEND}")
    if found["can_admins_bypass"] is not False:
        lines.append(f"administrators may get around it (can_admins_bypass): {MEND}")
    branches = found["branches"]
    if branches == EVERY or (branches == PROTECTED_ONLY and not classic):
        why = "" if branches == EVERY else f": it takes protected branches, and {PROTECTED} is none"
        lines.append(f"every branch may deploy{why}; limit it to {PROTECTED}: {MEND}")
    elif branches not in ([PROTECTED], PROTECTED_ONLY):
        shown = ", ".join(branches) or "no branch"
        lines.append(f"{shown} may deploy, and {PROTECTED} alone must: {MEND}")
    return lines


def disjoint_doubts(found: Sequence[Values | None]) -> list[str]:
    """Return who reviews in two environments: one person's word would be two approvals."""
    everybody = [one for values in found if values for one in set(values["reviewers"])]
    twice = sorted({one for one in everybody if everybody.count(one) > 1})
    return [
        f"{one} reviews in two environments, and must in one: name different owners in "
        f"conf/config.yaml, then {MEND}"
        for one in twice
    ]


def main_doubts(rules: Sequence[BranchRule]) -> list[str]:
    """Return what the rules of the protected branch do not ask for; several rules add up."""
    lines = ledger_doubts(rules)
    reviews = [one.parameters for one in rules if one.type == "pull_request"]
    most = max([_number(one.get("required_approving_review_count")) for one in reviews], default=0)
    asked = {
        "no pull request with an approval": most >= 1,
        "no review by the code owners": _any(reviews, "require_code_owner_review"),
        "a review from before the last push counts": _any(reviews, "dismiss_stale_reviews_on_push"),
        "who pushed last may approve": _any(reviews, "require_last_push_approval"),
        f"no status check `{DECISION}` by GitHub Actions": any(
            one.get("context") == DECISION and one.get("integration_id") == ACTIONS
            for rule in rules
            if rule.type == "required_status_checks"
            for one in rule.parameters.get("required_status_checks") or []
        ),
    }
    return [*lines, *(f"{why}: {MEND}" for why, good in asked.items() if not good)]


def ledger_doubts(rules: Sequence[BranchRule]) -> list[str]:
    """Return whether a branch may be rewritten or deleted."""
    kinds = {one.type for one in rules}
    asked = {"non_fast_forward": "it may be rewritten", "deletion": "it may be deleted"}
    return [f"{why} (no rule {kind}): {MEND}" for kind, why in asked.items() if kind not in kinds]


def _any(reviews: Sequence[Values], name: str) -> bool:
    return any(one.get(name) is True for one in reviews)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _here(base: Path) -> list[Check]:
    """Return what is wrong with the runner: its branch, its stores."""
    if not workflow_output.here():
        return []
    ref = os.environ.get("GITHUB_REF", "")
    wrong = [f"it is {ref or 'unknown'}: start the workflow from the branch {PROTECTED}"]
    on_main = ref == f"refs/heads/{PROTECTED}"
    return [
        *_made("branch of the run", [] if on_main else wrong),
        *_made("shared stores", unshared(base), "unknown"),
    ]


def _sourceless(now: Today) -> list[str]:
    """Return why a runner has nothing to monitor."""
    source, mend = now.monitor.source, f"set monitor.source in conf/config.yaml on {PROTECTED}"
    if source is None:
        return [f"there is none, so nothing would be measured: {mend}"]
    if source.kind == "log" and workflow_output.here():
        return [f"predict's log is of the machine that predicts, no runner has it: {mend}"]
    return []


def _people(now: Today, roles: list[str] | None) -> list[Check]:
    """Return who is missing in conf/config.yaml and governance/approvers.yaml."""
    lost: list[str] = []
    for role in OWNERS:
        try:
            owners(now, role)
        except Problem as problem:
            lost.append(str(problem))
    approvals = now.policy.approvals
    wanted = roles if roles is not None else approvals.roles if approvals else []
    people = [one for one in now.approvers.people if one.github]
    where = f"{approvers.PATH} on {PROTECTED} lists"
    said = [
        f"{where} nobody with a GitHub account in the role {role}: the risk owner adds people"
        for role in wanted
        if not any(role in one.roles for one in people)
    ]
    if not now.approvers.ledger:
        said.append(
            f"{where} no key under ledger, and approvals on GitHub count only in signed events: "
            "the risk owner adds the workflow's"
        )
    return [*_made("owners", lost), *_made("approvers", said)]


def _codeowners(hub: Hub, base: Path, commit: str) -> list[str]:
    found = hub.codeowners(base, commit)["errors"]
    return [f"{one}: correct it on {PROTECTED}, else nobody has to review" for one in found]


def _unused(hub: Hub, name: str) -> list[str]:
    """Return why the way round an environment is not open: it has reviewers of its own."""
    found = hub.environment(name)
    if not found or not found["reviewers"]:
        return []
    return ["it has reviewers, and they are who says yes: start without a pull request's number"]


def _pull_doubts(hub: Hub, number: int) -> list[str]:
    head, base = hub.pull(number)
    if head.startswith(BRANCH) and base == PROTECTED:
        return []
    return [
        f"it goes from {head} to {base}: a promotion goes from {BRANCH}… to {PROTECTED}, open one"
    ]


def _made(name: str, lines: list[str], state: State = "fails") -> list[Check]:
    """Return a check that holds, or one for each line that does not."""
    found = [Check(name=name, state=state, line=line) for line in lines]
    return found or [Check(name=name, state="holds")]


def _asked(name: str, ask: Callable[[], list[str]]) -> list[Check]:
    """Return what GitHub says about one condition; what it does not tell is unknown."""
    try:
        return _made(name, ask())
    except Refused as no:
        if no.status not in (403, 404):
            raise
        return [Check(name=name, state="unknown", line=str(no))]

"""What must hold on GitHub before a workflow's job uses an environment.

If a job names an environment that does not exist, GitHub creates it without protection.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem
from governed_ml.core.repository import PROTECTED
from governed_ml.core.shared_stores import unshared
from governed_ml.github.client import Refused
from governed_ml.github.current_settings import CODEOWNERS, READER, Hub, opened
from governed_ml.github.protection import (
    disjoint_doubts,
    environment_doubts,
    ledger_doubts,
    main_doubts,
)
from governed_ml.github.settings import (
    BRANCH,
    MONITORING,
    OWNERS,
    PRODUCTION,
    REGISTRY,
    RETRAINING,
    Values,
    environments,
    owners,
)
from governed_ml.github.workflow_run import workflow_output
from governed_ml.ledger import approvers
from governed_ml.ledger.rules_in_force import Today
from governed_ml.ledger.storage import BRANCH as LEDGER

State = Literal["holds", "fails", "unknown"]
Purpose = Literal["promotion", "rollback", "monitor", "retrain"]
NAMED = {
    "promotion": (PRODUCTION, REGISTRY),
    "rollback": (PRODUCTION, REGISTRY),
    "monitor": (MONITORING,),
    "retrain": (REGISTRY, RETRAINING, MONITORING),
}
"""Purpose of a run → the environments that its jobs use, except those for approvals."""
ALONE = {
    "rollback": "a rollback needs no approval; the ledger records its reason and who started it",
    "monitor": "monitoring needs no approval; the ledger records what it finds and requests",
    "retrain": "retraining needs no approval; it opens a pull request and promotes nothing",
}


class Check(Closed):
    """One condition: whether it holds, and if not, why and how to fix it."""

    name: str
    state: State
    line: str = ""


class Preflight(Closed):
    """All conditions, and how people approve."""

    path: Literal["environments", "pull-request", "rollback", "monitor", "retrain"]
    roles: list[str]
    checks: list[Check]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Return 0 if all conditions hold, 1 if one does not, 2 if one could not be checked."""
        states = {one.state for one in self.checks}
        return NO_ANSWER if "unknown" in states else FOUND if "fails" in states else 0


def preflight(base: Path, pull: int | None = None, purpose: Purpose = "promotion") -> Preflight:
    """Check everything on GitHub that a run depends on; report all failures.

    Environments for approvals are only checked for promotions without a pull request, because no
    other run uses them.
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
        if purpose in ALONE:  # nothing else may prevent these runs
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
    notes = [*notes, "only `governance github verify` can check who may bypass rulesets"]
    if not workflow_output.here():
        notes = [
            *notes,
            ("not checked outside a workflow: its branch, MLflow's server, DVC's remote"),
        ]
    path = "pull-request" if pull else "environments" if purpose == "promotion" else purpose
    roles = now.policy.approvals.roles if now.policy.approvals else []
    return Preflight(path=path, roles=roles, checks=checks, notes=notes)


def _here(base: Path) -> list[Check]:
    """Return what is wrong with the runner's branch and stores."""
    if not workflow_output.here():
        return []
    ref = os.environ.get("GITHUB_REF", "")
    wrong = [f"it is {ref or 'unknown'}; start the workflow from the branch {PROTECTED}"]
    on_main = ref == f"refs/heads/{PROTECTED}"
    return [
        *_made("branch of the run", [] if on_main else wrong),
        *_made("shared stores", unshared(base), "unknown"),
    ]


def _sourceless(now: Today) -> list[str]:
    """Return why a runner would have no rows to monitor; empty if it has."""
    source = now.params.monitor.source
    fix = f"set monitor.source in conf/config.yaml on {PROTECTED}"
    if source is None:
        return [f"none is set, so monitoring would measure nothing: {fix}"]
    if source.kind == "log" and workflow_output.here():
        return [
            (
                "the log of `predict` is on the machine that predicts, and a runner cannot read "
                f"it: {fix}"
            )
        ]
    return []


def _people(now: Today, roles: list[str] | None) -> list[Check]:
    """Return which owners and approvers are missing in the configuration files."""
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
        (f"{where} nobody with a GitHub account in the role {role}: ask the risk owner to add one")
        for role in wanted
        if not any(role in one.roles for one in people)
    ]
    if not now.approvers.ledger:
        said.append(
            f"{where} no key under ledger, but approvals on GitHub count only in signed "
            "events: ask the risk owner to add the workflow's key"
        )
    return [*_made("owners", lost), *_made("approvers", said)]


def _codeowners(hub: Hub, base: Path, commit: str) -> list[str]:
    found = hub.codeowners(base, commit)["errors"]
    return [f"{one}: correct it on {PROTECTED}, or nobody has to review" for one in found]


def _unused(hub: Hub, name: str) -> list[str]:
    """Return a fault if the environment has reviewers, who would have to approve there."""
    found = hub.environment(name)
    if not found or not found["reviewers"]:
        return []
    return [
        (
            "the environment has reviewers who give the approval: start without the number of a "
            "pull request"
        )
    ]


def _pull_doubts(hub: Hub, number: int) -> list[str]:
    head, base = hub.pull(number)
    if head.startswith(BRANCH) and base == PROTECTED:
        return []
    return [f"it goes from {head} to {base}: open one from {BRANCH}… to {PROTECTED}"]


def _made(name: str, lines: list[str], state: State = "fails") -> list[Check]:
    """Return a check that holds or, if there are lines, one failed check for each."""
    found = [Check(name=name, state=state, line=line) for line in lines]
    return found or [Check(name=name, state="holds")]


def _asked(name: str, ask: Callable[[], list[str]]) -> list[Check]:
    """Return the checks of one condition; if GitHub does not answer, its state is unknown."""
    try:
        return _made(name, ask())
    except Refused as no:
        if no.status not in (403, 404):
            raise
        return [Check(name=name, state="unknown", line=str(no))]

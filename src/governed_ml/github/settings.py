"""The required settings on GitHub, and how they differ from the current ones (pure functions).

Every `…_becomes` returns a function from a current setting (None: it does not exist) to the
required one. Stricter settings, and those that belong to the team, are kept. So a setting that
needs no change is returned unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED
from governed_ml.ledger.rules_in_force import Today

WORKFLOW = ".github/workflows/promote.yml"
ENVIRONMENTS = {"approve-model": "model-owner", "approve-risk": "risk-owner"}
"""GitHub environment → the role in which its reviewers approve."""
BRANCH = "promote/"  # prefix of the branch of a promotion's pull request

Values = dict[str, Any]
Becomes = Callable[[Values | None], Values]

PRODUCTION = "production"
REGISTRY = "registry"  # stores the secrets for reading the registry
UPDATES = "template-update"  # stores the token that may change workflows
MONITORING = "monitoring"  # stores the secrets for reading batches, and the ledger's key
RETRAINING = "retrain"  # stores the token that opens the pull request
GUARDED = (PRODUCTION, REGISTRY, UPDATES, MONITORING, RETRAINING)  # have no reviewers
OWNERS = {"model-owner": "model_owner", "risk-owner": "risk_owner"}  # role → key in conf/
DECISION = "decision"  # this job needs every gate
POLICY = "policy"  # run with the base branch's engine, because the change's engine could lie
REQUIRED_JOBS = {
    "governance.yml": (DECISION, POLICY),
    "ci.yml": ("check", "template"),
}  # workflow → its jobs
WORKFLOWS = ".github/workflows"
ACTIONS = 15368  # id of the app GitHub Actions; reports by other apps do not count
MOST = 6  # most reviewers that GitHub allows for an environment
HANDLE = re.compile(r"@[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}(?:/[a-z0-9][a-z0-9_-]*)?")
EVERY, PROTECTED_ONLY = "every branch", "protected branches"

REVIEW = {
    "required_approving_review_count": 1,
    "dismiss_stale_reviews_on_push": True,
    "require_code_owner_review": True,
    "require_last_push_approval": True,
}
ACTIONS_POLICY = {"enabled": True, "sha_pinning_required": True}
TOKEN_POLICY = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
FORK_POLICY = {"approval_policy": "all_external_contributors"}
NO_ERRORS: Values = {"errors": []}


@dataclass(frozen=True)
class WantedSettings:
    """The settings that the protected branch's configuration, policy and workflows require."""

    environments: dict[str, list[str]]
    """Environment → its reviewers; empty for one that only needs protection."""
    checks: list[str]
    notes: list[str] = field(default_factory=list)


def wanted(now: Today, workflows: Mapping[str, str]) -> WantedSettings:
    """Return the required settings.

    `workflows` are the texts of the workflows in `REQUIRED_JOBS`.
    """
    named, notes = environments(now)
    reviewers = {name: owners(now, role) for name, role in named.items()}
    everybody = [one.lower() for found in reviewers.values() for one in found]
    twice = sorted({one for one in everybody if everybody.count(one) > 1})
    if twice:
        raise Problem(
            f"conf/config.yaml on {PROTECTED}: {twice[0]} is both model_owner and risk_owner, so "
            "one approval would count twice: name different owners",
            1,
        )
    guarded: dict[str, list[str]] = {name: [] for name in GUARDED}
    return WantedSettings(reviewers | guarded, checks(workflows), notes)


def environments(now: Today) -> tuple[dict[str, str], list[str]]:
    """Return environment → role for the roles that the policy requires, and remarks."""
    approvals = now.policy.approvals
    if approvals is None:
        raise Problem(
            f"the policy on {PROTECTED} does not say which approvals are needed (key "
            "`approvals`): ask the risk owner to add it",
            1,
        )
    known = {role: name for name, role in ENVIRONMENTS.items()}
    notes = [
        f"the role {role} has no environment: it approves with a key, or in a pull request"
        for role in approvals.roles
        if role not in known
    ]
    return {known[role]: role for role in approvals.roles if role in known}, notes


def owners(now: Today, role: str) -> list[str]:
    """Return the accounts and teams that conf/config.yaml names for a role."""
    key = OWNERS[role]
    found = str(getattr(now.params.project, key)).split()
    where = f"conf/config.yaml on {PROTECTED}: project.{key}"
    if not found:
        raise Problem(
            f"{where} is empty, so nobody would have to review: name @user or @org/team", 1
        )
    bad = next((one for one in found if not HANDLE.fullmatch(one)), None)
    if bad:
        raise Problem(f"{where}: {bad[:60]!r} is not a GitHub @user or @org/team: correct it", 1)
    if len(found) > MOST:
        raise Problem(
            f"{where} names {len(found)} reviewers, but GitHub allows {MOST}: name a team instead",
            1,
        )
    return found


def checks(workflows: Mapping[str, str]) -> list[str]:
    """Return the names under which the required jobs report their status."""
    import yaml

    found: list[str] = []
    for workflow, jobs in REQUIRED_JOBS.items():
        try:
            there: Any = parse_yaml(workflows.get(workflow, ""))["jobs"]
            found += [str((there[job] or {}).get("name") or job) for job in jobs]
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise Problem(
                f"{WORKFLOWS}/{workflow} on {PROTECTED} lacks the jobs {', '.join(jobs)}, "
                "which every merge would wait for: restore the file with `uv run --group "
                "tools governance update`"
            ) from error
    return sorted(found)


def environment_becomes(reviewers: list[str]) -> Becomes:
    """Return how to change an environment so that it is protected.

    It gets these reviewers, nobody can approve their own run or bypass the protection, and only
    the protected branch may deploy.
    """

    def becomes(found: Values | None) -> Values:
        have = found or {"reviewers": [], "prevent_self_review": False, "wait_timer": 0}
        who = sorted(one.lower() for one in reviewers) or have["reviewers"]
        return have | {
            "reviewers": who,
            "prevent_self_review": bool(who) or have["prevent_self_review"],
            "can_admins_bypass": False,
            "branches": [PROTECTED],
        }

    return becomes


def ruleset_becomes(branch: str, rules: Mapping[str, Values]) -> Becomes:
    """Return how to change a branch's ruleset: active, no bypass, at least these rules."""

    def becomes(found: Values | None) -> Values:
        have = found["rules"] if found else {}
        return (found or {}) | {
            "target": "branch",
            "enforcement": "active",
            "bypass_actors": [],
            "include": [f"refs/heads/{branch}"],
            "exclude": [],
            "rules": have | {kind: _at_least(have.get(kind), rules[kind]) for kind in rules},
        }

    return becomes


def _at_least(have: Values | None, rule: Values) -> Values:
    """Return a rule's parameters, made at least as strict as `rule`."""
    have = have or {}
    return have | {name: _stricter(have.get(name), value) for name, value in rule.items()}


def _stricter(have: Any, value: Any) -> Any:
    if isinstance(value, list):
        names = [one["context"] for one in value]
        own = [one for one in have or [] if one["context"] not in names]
        return sorted([*own, *value], key=lambda one: one["context"])
    if isinstance(value, int) and not isinstance(value, bool):
        return max(have or 0, value)
    return value


def main_rules(names: list[str]) -> dict[str, Values]:
    """Return the rules of the protected branch; `names` are the required status checks."""
    required = [{"context": name, "integration_id": ACTIONS} for name in names]
    strict = {"strict_required_status_checks_policy": True, "required_status_checks": required}
    return ledger_rules() | {"pull_request": REVIEW, "required_status_checks": strict}


def ledger_rules() -> dict[str, Values]:
    """Return the rules of the ledger's branch: no deletion and no rewriting."""
    return {"deletion": {}, "non_fast_forward": {}}


def values_become(values: Values) -> Becomes:
    """Require some plain values, and keep all others."""
    return lambda found: (found or {}) | values


def differences(found: Values | None, to_be: Values, place: str = "") -> list[str]:
    """Return the differences as `place: is …, must be …`; empty if there are none."""
    if found is None:
        return [f"{place}is missing, must be {_shown(to_be)}"]
    lines: list[str] = []
    for key, value in to_be.items():
        have = found.get(key)
        if isinstance(value, dict) and (isinstance(have, dict) or key not in found):
            lines += differences(have, value, f"{place}{key}: ")
        elif have != value:
            lines.append(f"{place}{key}: is {_shown(have)}, must be {_shown(value)}")
    return lines


def _shown(value: Any) -> str:
    """Return a value as short text; of a status check, its name and app."""
    if isinstance(value, list) and all(isinstance(one, dict) and "context" in one for one in value):
        own = {ACTIONS: "", None: " (any app's)"}
        names = (f"{one['context']}{own.get(one['integration_id'], ' (an app)')}" for one in value)
        value = list(names)
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(v)}" if v != {} else k for k, v in value.items()) or "there"
    if isinstance(value, list):
        return ", ".join(str(_shown(one)) for one in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)

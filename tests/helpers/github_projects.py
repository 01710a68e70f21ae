"""A project on the GitHub for tests: its clone, its people, and the settings as they must be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import baked
import pytest
import yaml
from github_stand_in import GitHubStandIn

from governed_ml.core.problem import Problem as PROBLEM
from governed_ml.github import apply as APPLY
from governed_ml.github import client as CLIENT
from governed_ml.github import current_settings as STATE

TOKEN = "ghp_T0SECRET"  # noqa: S105 - of these tests alone
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
PEOPLE = f"""\
people:
  - {{name: Bob, roles: [model-owner], emails: [bob@example.org], github: bob}}
  - {{name: Eve, roles: [risk-owner], emails: [eve@example.org], github: eve}}
ledger:
  - {{name: promote.yml, key: {KEY}}}
"""
GUARDED = ("production", "registry", "template-update", "monitoring", "retrain")
GATES = ("decision", "policy")
CI = yaml.safe_load((baked.TEMPLATE / ".github/workflows/ci.yml").read_text("utf-8"))
CHECKS = sorted([*GATES, *(CI["jobs"][job]["name"] for job in ("check", "template"))])
CUSTOM = {"protected_branches": False, "custom_branch_policies": True}
ONLY = {"protected_branches": True, "custom_branch_policies": False}
ENVIRONMENTS = ("approve-model", "approve-risk", *GUARDED)
ANYBODY = [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}]
RISK, MODEL = "@acme/model-risk", "@acme/model-owners"


rules_of = cache(STATE.rules_of)


@contextmanager
def github(patch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub, and the variables of a person who asks it; pauses are short.

    What breaks GitHub's own description, in requests or answers, fails the test at its end.
    """
    patch.setattr(CLIENT, "PAUSE", 0.01)
    patch.setattr(STATE, "rules_of", rules_of)  # of a commit, which does not change: composed once
    for name in ("GH_TOKEN", "GITHUB_ACTIONS", "GITHUB_REF", "MLFLOW_TRACKING_URI"):
        patch.delenv(name, raising=False)
    with GitHubStandIn(token=TOKEN) as hub:
        for name, value in variables(hub).items():
            patch.setenv(name, value)
        yield hub
    assert not hub.complaints, hub.complaints[0][:2000]


def clone(project: baked.BakedProject, folder: Path, tier: str = "high") -> baked.BakedProject:
    """A copy of a generated project, owned by teams of acme; it has no remote: main is its own."""
    copied = baked.copy_project(project, folder)
    for name in ("conf/config.yaml", ".github/CODEOWNERS"):
        text = copied.read(name).replace("@example-organisation/", "@acme/")
        copied.write(name, text.replace("- policy: limited", f"- policy: {tier}"))
    copied.write("governance/approvers.yaml", PEOPLE)
    baked.commit_all(copied.path, "Who owns it")
    return copied


def change(project: baked.BakedProject, hub: GitHubStandIn, name: str, old: str, new: str) -> None:
    """Change a file on main, here and at GitHub."""
    text = project.read(name)
    assert old in text
    project.write(name, text.replace(old, new))
    baked.commit_all(project.path, f"Change {name}")
    meet(project, hub)


def meet(project: baked.BakedProject, hub: GitHubStandIn) -> None:
    """Let GitHub have the project's main."""
    hub.settings.branches["main"]["sha"] = baked.git(project.path, "rev-parse", "HEAD")


def named_environments(pattern: str) -> set[str]:
    """The environments that jobs of the template's workflows name."""
    workflows = (baked.TEMPLATE / ".github" / "workflows").glob(pattern)
    jobs = [
        job
        for workflow in workflows
        for job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    ]
    found = [job["environment"] for job in jobs if "environment" in job]
    return {one if isinstance(one, str) else one["name"] for one in found}


def variables(hub: GitHubStandIn, **more: str) -> dict[str, str]:
    """The environment of a command that asks this GitHub."""
    own = {"GITHUB_REPOSITORY": hub.repository, "GITHUB_API_URL": hub.url, "GITHUB_TOKEN": TOKEN}
    return own | {"NO_PROXY": "127.0.0.1"} | more


def in_actions(
    github_api: GitHubStandIn, folder: Path, event: dict[str, Any], **more: str
) -> dict[str, str]:
    """The variables of a workflow's step."""
    path = folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": github_api.repository,
        "GITHUB_API_URL": github_api.url,
        "GITHUB_TOKEN": github_api.token,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    } | more


def settle(hub: GitHubStandIn, roles: tuple[str, ...] = ("model", "risk")) -> None:
    """Make the settings as they must be, by GitHub's own requests."""
    settings = hub.settings
    people = {"model": "acme/model-owners", "risk": "acme/model-risk"}
    reviewed = [(f"approve-{one}", people[one]) for one in roles]
    for name, team in [*reviewed, *((one, "") for one in GUARDED)]:
        kind, _, slug = team.partition("/")
        reviewer = settings.get_team({}, kind, slug) if team else None
        reviewers = [{"type": "Team", "id": reviewer[1]["id"]}] if reviewer else []
        allowed = {"protected_branches": False, "custom_branch_policies": True}
        guarded = {"prevent_self_review": bool(team), "can_admins_bypass": False}
        body = guarded | {"reviewers": reviewers, "deployment_branch_policy": allowed}
        settings.put_environment(body, name)
        settings.post_pattern({"name": "main"}, name)
    kept = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    review = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": True,
        "require_last_push_approval": True,
        "required_review_thread_resolution": False,
    }
    checks = [{"context": name, "integration_id": 15368} for name in CHECKS]
    strict = {"strict_required_status_checks_policy": True, "required_status_checks": checks}
    main = [
        {"type": "pull_request", "parameters": review},
        {"type": "required_status_checks", "parameters": strict},
    ]
    for branch, rules in (("main", [*kept, *main]), ("governance-ledger", kept)):
        names = {"include": [f"refs/heads/{branch}"], "exclude": []}
        whole = {"enforcement": "active", "conditions": {"ref_name": names}, "rules": rules}
        settings.post_ruleset({"name": f"governance: {branch}"} | json.loads(json.dumps(whole)))
    settings.actions["sha_pinning_required"] = True
    settings.token |= {
        "default_workflow_permissions": "read",
        "can_approve_pull_request_reviews": False,
    }
    settings.forks["approval_policy"] = "all_external_contributors"
    settings.changes = 0


def ruleset(hub: GitHubStandIn, branch: str = "main") -> dict[str, Any]:
    """The ruleset of a branch."""
    found = hub.settings.rulesets.values()
    return next(one for one in found if one["name"] == f"governance: {branch}")


def rule(hub: GitHubStandIn, kind: str, branch: str = "main") -> dict[str, Any]:
    """The parameters of a rule."""
    return next(one for one in ruleset(hub, branch)["rules"] if one["type"] == kind)["parameters"]


def without(hub: GitHubStandIn, kind: str, branch: str = "main") -> None:
    """Take a rule out of a ruleset."""
    found = ruleset(hub, branch)
    found["rules"] = [one for one in found["rules"] if one["type"] != kind]


def compared(loans: baked.BakedProject) -> Any:
    """What `plan` and `verify` find."""
    with APPLY.planned(loans.path) as plan:
        return plan.compare()


def applied(loans: baked.BakedProject) -> Any:
    """What `apply` does."""
    with APPLY.planned(loans.path) as plan:
        return plan.apply(lambda _: None)


def named(report: Any, state: str) -> list[str]:
    """The settings in a state."""
    return [one.name for one in report.settings if one.state == state]


def lines(report: Any) -> str:
    """All that a report tells."""
    return "\n".join(f"{one.name}: {line}" for one in report.settings for line in one.lines)


def refused(call: Callable[[], Any], *words: str, code: int = 2) -> str:
    """The one line with which a call stops; it holds no token."""
    with pytest.raises(PROBLEM) as caught:
        call()
    text = str(caught.value)
    assert caught.value.exit_code == code, text
    assert TOKEN not in text
    for word in words:
        assert word in text
    return text


@pytest.fixture(name="hub")
def hub_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub, and the variables of who asks it."""
    with github(monkeypatch) as stand_in:
        yield stand_in


@pytest.fixture(name="hub")
def hub_unset(
    loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubStandIn]:
    """A GitHub that has the project's main, and no setting of ours."""
    with github(monkeypatch) as stand_in:
        meet(loans, stand_in)
        yield stand_in

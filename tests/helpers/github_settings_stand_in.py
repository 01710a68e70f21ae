"""The settings of the GitHub for tests: environments, rulesets, Actions, CODEOWNERS, accounts.

As with GitHub, a setting that was never made is not there, an environment takes what a request
leaves out for the default, and a token that is no administrator's sees less and sets nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Any]  # status and body
NO: Answer = 403, {"message": "Resource not accessible by integration"}
DEFAULTS = {
    "wait_timer": 0,
    "prevent_self_review": False,
    "can_admins_bypass": True,
    "reviewers": [],
    "deployment_branch_policy": None,
}
UPGRADE = "Please ensure the billing plan supports the required reviewers protection rule."


def number_of(name: str) -> int:
    """The number of an account or a team; it follows from the name."""
    return int.from_bytes(name.lower().encode()) % 10**6


@dataclass
class Settings:
    """What an administrator sets, and who there is. A test changes it as it likes."""

    made: Callable[..., Any]
    repository: str
    head: str
    admin: bool = True
    reviewers_offered: bool = True  # no: a private repository on a small plan
    forks_offered: bool = True

    def __post_init__(self) -> None:
        self.environments: dict[str, Json] = {}
        self.patterns: dict[str, list[Json]] = {}
        self.rulesets: dict[int, Json] = {}
        self.actions: Json = {"enabled": True, "allowed_actions": "all"}
        self.token: Json = {
            "default_workflow_permissions": "write",
            "can_approve_pull_request_reviews": True,
        }
        self.forks: Json = {"approval_policy": "first_time_contributors"}
        self.owners_errors: list[Json] | None = []
        self.branches: dict[str, Json] = {"main": {"sha": self.head, "classic": False}}
        self.people = {"ada", "bob", "eve"}
        self.teams = {"acme/model-owners", "acme/model-risk"}
        self.changes = 0

    # Environments

    def get_environment(self, _: Json, name: str) -> Answer | None:
        """`repos/get-environment`."""
        found = self.environments.get(name)
        return (200, self._environment(name, found)) if found else None

    def put_environment(self, body: Json, name: str) -> Answer:
        """`repos/create-or-update-environment`: what is left out is the default."""
        if body.get("reviewers") and not self.reviewers_offered:
            return 422, {"message": f"Failed to create the protection rule. {UPGRADE}"}
        allowed = body.get("deployment_branch_policy")
        if len(body.get("reviewers") or []) > 6 or (allowed and len(set(allowed.values())) == 1):
            return 422, {"message": "Validation Failed"}
        kept = {"can_admins_bypass": self.environments.get(name, DEFAULTS)["can_admins_bypass"]}
        self.environments[name] = DEFAULTS | kept | body
        if not (allowed and allowed["custom_branch_policies"]):
            self.patterns.pop(name, None)
        return 200, self._environment(name, self.environments[name])

    def _environment(self, name: str, values: Json) -> Json:
        rules: list[Json] = []
        if values["wait_timer"]:
            rules.append({"type": "wait_timer", "wait_timer": values["wait_timer"]})
        if values["reviewers"]:
            reviewers = [
                {"type": one["type"], "reviewer": self._account(one)} for one in values["reviewers"]
            ]
            review = {"prevent_self_review": values["prevent_self_review"], "reviewers": reviewers}
            rules.append({"type": "required_reviewers"} | review)
        if values["deployment_branch_policy"]:
            rules.append({"type": "branch_policy"})
        return self.made(
            "environment",
            name=name,
            protection_rules=[{"id": n, "node_id": "x"} | one for n, one in enumerate(rules, 1)],
            deployment_branch_policy=values["deployment_branch_policy"],
            can_admins_bypass=values["can_admins_bypass"],
        )

    def _account(self, one: Json) -> Json:
        there = self.people if one["type"] == "User" else self.teams
        name = next(name for name in there if number_of(name) == one["id"])
        if one["type"] == "User":
            return self.made("simple-user", login=name, id=one["id"])
        return self.made("team", slug=name.partition("/")[2], id=one["id"])

    def get_patterns(self, _: Json, name: str) -> Answer | None:
        """`repos/list-deployment-branch-policies`."""
        if name not in self.environments:
            return None
        found = self.patterns.get(name, [])
        return 200, {"total_count": len(found), "branch_policies": found}

    def post_pattern(self, body: Json, name: str) -> Answer | None:
        """`repos/create-deployment-branch-policy`."""
        allowed = self.environments.get(name, DEFAULTS)["deployment_branch_policy"]
        if not (allowed and allowed["custom_branch_policies"]):
            return None
        there = self.patterns.setdefault(name, [])
        made = {"id": max([one["id"] for one in there], default=0) + 1, "node_id": "x"}
        there.append(made | {"type": "branch"} | body)
        return 200, there[-1]

    def delete_pattern(self, _: Json, name: str, number: str) -> Answer | None:
        """`repos/delete-deployment-branch-policy`."""
        there = self.patterns.get(name, [])
        kept = [one for one in there if one["id"] != int(number)]
        self.patterns[name] = kept
        return (204, None) if len(kept) < len(there) else None

    # Rulesets

    def get_rulesets(self, _: Json) -> Answer:
        """`repos/get-repo-rulesets`: without what they say."""
        keys = ("id", "name", "target", "enforcement", "source", "source_type")
        return 200, [{key: one[key] for key in keys} for one in self.rulesets.values()]

    def get_ruleset(self, _: Json, number: str) -> Answer | None:
        """`repos/get-repo-ruleset`: who may bypass it is an administrator's to see."""
        found = self.rulesets.get(int(number))
        hidden = () if self.admin else ("bypass_actors",)
        return (200, {k: v for k, v in found.items() if k not in hidden}) if found else None

    def post_ruleset(self, body: Json) -> Answer:
        """`repos/create-repo-ruleset`."""
        if any(one["name"] == body["name"] for one in self.rulesets.values()):
            return 422, {"message": "Validation Failed: Name must be unique"}
        number = max(self.rulesets, default=40) + 1
        source = {"source": self.repository, "source_type": "Repository", "id": number}
        self.rulesets[number] = {"target": "branch", "bypass_actors": []} | body | source
        return 201, self.rulesets[number]

    def put_ruleset(self, body: Json, number: str) -> Answer | None:
        """`repos/update-repo-ruleset`."""
        found = self.rulesets.get(int(number))
        if found is None:
            return None
        found |= body
        return 200, found

    def get_rules(self, _: Json, branch: str) -> Answer:
        """`repos/get-branch-rules`: those of active rulesets that are for the branch."""
        ref, rules = f"refs/heads/{branch}", []
        for number, one in self.rulesets.items():
            names = one["conditions"]["ref_name"]
            meant = any(fnmatch(ref, name) for name in names["include"])
            if one["enforcement"] == "active" and meant and ref not in names["exclude"]:
                source = {"ruleset_source": self.repository, "ruleset_source_type": "Repository"}
                rules += [rule | source | {"ruleset_id": number} for rule in one["rules"]]
        return 200, rules

    # Actions, CODEOWNERS, branches, accounts

    def get_actions(self, _: Json) -> Answer:
        """`actions/get-github-actions-permissions-repository`: an administrator's to see."""
        return (200, self.actions) if self.admin else NO

    def put_actions(self, body: Json) -> Answer:
        """`actions/set-github-actions-permissions-repository`."""
        self.actions |= body
        return 204, None

    def get_token(self, _: Json) -> Answer:
        """`actions/get-github-actions-default-workflow-permissions-repository`."""
        return (200, self.token) if self.admin else NO

    def put_token(self, body: Json) -> Answer:
        """`actions/set-github-actions-default-workflow-permissions-repository`."""
        self.token |= body
        return 204, None

    def get_forks(self, _: Json) -> Answer | None:
        """`actions/get-fork-pr-contributor-approval-permissions-repository`."""
        return None if not self.forks_offered else (200, self.forks) if self.admin else NO

    def put_forks(self, body: Json) -> Answer | None:
        """`actions/set-fork-pr-contributor-approval-permissions-repository`."""
        self.forks |= body
        return (204, None) if self.forks_offered else None

    def get_owners(self, _: Json) -> Answer | None:
        """`repos/codeowners-errors`."""
        return None if self.owners_errors is None else (200, {"errors": self.owners_errors})

    def get_branch(self, _: Json, name: str) -> Answer | None:
        """`repos/get-branch`."""
        found = self.branches.get(name)
        if found is None:
            return None
        commit = self.made("commit", sha=found["sha"])
        protection = {"enabled": found["classic"]}
        whole = {"name": name, "commit": commit, "protection": protection}
        return 200, self.made("branch-with-protection", **whole)

    def get_user(self, _: Json, login: str) -> Answer | None:
        """`users/get-by-username`."""
        if login.lower() not in self.people:
            return None
        who = {"login": login, "id": number_of(login), "user_view_type": "public"}
        return 200, self.made("public-user", **who)

    def get_team(self, _: Json, org: str, slug: str) -> Answer | None:
        """`teams/get-by-name`."""
        name = f"{org}/{slug}"
        known = name.lower() in self.teams
        return (200, self.made("team-full", slug=slug, id=number_of(name))) if known else None

    def answer(self, method: str, path: str, body: Json) -> Answer | None:
        """Status and body, or None for what is not there."""
        for verb, pattern, handle in ROUTES:
            found = re.fullmatch(pattern.replace("~", f"/repos/{self.repository}"), path)
            if found and verb == method:
                if method != "GET" and not self.admin:
                    return NO
                answer = handle(self, body, *found.groups())
                self.changes += method != "GET" and answer is not None and answer[0] < 300
                return answer
        return None


ENVIRONMENT, PATTERNS = (
    "~/environments/([^/]+)",
    "~/environments/([^/]+)/deployment-branch-policies",
)
PERMISSIONS, FORKS = "~/actions/permissions", "/fork-pr-contributor-approval"
ROUTES: list[tuple[str, str, Callable[..., Answer | None]]] = [
    ("GET", ENVIRONMENT, Settings.get_environment),
    ("PUT", ENVIRONMENT, Settings.put_environment),
    ("GET", PATTERNS, Settings.get_patterns),
    ("POST", PATTERNS, Settings.post_pattern),
    ("DELETE", rf"{PATTERNS}/(\d+)", Settings.delete_pattern),
    ("GET", "~/rulesets", Settings.get_rulesets),
    ("POST", "~/rulesets", Settings.post_ruleset),
    ("GET", r"~/rulesets/(\d+)", Settings.get_ruleset),
    ("PUT", r"~/rulesets/(\d+)", Settings.put_ruleset),
    ("GET", "~/rules/branches/([^/]+)", Settings.get_rules),
    ("GET", PERMISSIONS, Settings.get_actions),
    ("PUT", PERMISSIONS, Settings.put_actions),
    ("GET", f"{PERMISSIONS}/workflow", Settings.get_token),
    ("PUT", f"{PERMISSIONS}/workflow", Settings.put_token),
    ("GET", PERMISSIONS + FORKS, Settings.get_forks),
    ("PUT", PERMISSIONS + FORKS, Settings.put_forks),
    ("GET", "~/codeowners/errors", Settings.get_owners),
    ("GET", "~/branches/([^/]+)", Settings.get_branch),
    ("GET", "/users/([^/]+)", Settings.get_user),
    ("GET", "/orgs/([^/]+)/teams/([^/]+)", Settings.get_team),
]

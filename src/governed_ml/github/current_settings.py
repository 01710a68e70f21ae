"""GitHub's current settings, in the form in which `github.settings` compares them."""

# GitHub's client is an optional extra; type checks must also work without it.
# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, content, protected
from governed_ml.github import responses as given
from governed_ml.github.client import Refused, at, connect, read, read_all, repository, write
from governed_ml.github.settings import EVERY, PROTECTED_ONLY, Values
from governed_ml.ledger.rules_in_force import Today, rules_of

if TYPE_CHECKING:
    from githubkit import GitHub, TokenAuthStrategy

T = TypeVar("T")
CODEOWNERS = ".github/CODEOWNERS"
ADMIN = (
    "use an administrator's (fine-grained: Administration and Environments read and write, "
    "Actions, Contents and Metadata read; for teams, Members read)"
)
READER = "give it `actions: read`, `contents: read` and `pull-requests: read`"


@dataclass(frozen=True)
class Hub:
    """Access to one repository's settings on GitHub."""

    github: GitHub[TokenAuthStrategy]
    name: str
    need: str
    """Permissions to give the token if they are missing."""

    def get(self, kind: type[T], what: str, path: str) -> T:
        """Return the answer to a request about the repository."""
        return read(kind, what, at(self.github, f"/repos/{self.name}{path}"), self.need)

    def find(self, kind: type[T], what: str, path: str) -> T | None:
        """Return the answer to a request, or None if the item does not exist."""
        try:
            return self.get(kind, what, path)
        except Refused as no:
            if no.status == 404:
                return None
            raise

    def send(self, what: str, method: str, path: str, body: Values | None = None) -> None:
        """Change something in the repository."""
        write(what, at(self.github, f"/repos/{self.name}{path}", method, body), self.need)

    def today(self, base: Path) -> tuple[Today, given.Branch]:
        """Return the rules on the protected branch, and the branch as described by GitHub.

        The commit is the one that GitHub names. It is fetched if this clone lacks it.
        """
        what = f"the branch {PROTECTED}"
        branch = self.get(given.Branch, what, f"/branches/{PROTECTED}")
        known = content(base, branch.sha, "dvc.yaml") is not None
        return rules_of(base, branch.sha if known else protected(base)), branch

    def environment(self, name: str) -> Values | None:
        """Return an environment's reviewers, bypass setting and branches; None if there is none."""
        what = f"the environment {name}"
        found = self.find(given.DeploymentEnvironment, what, f"/environments/{name}")
        if found is None:
            return None
        reviews = [one for one in found.protection_rules if one.type == "required_reviewers"]
        people = [one for rule in reviews for one in rule.reviewers]
        branches: Any = EVERY if found.protected_only is None else PROTECTED_ONLY
        if found.protected_only is False:
            branches = sorted(
                one.name if one.type == "branch" else f"{one.type} {one.name}"
                for one in self.patterns(name)
            )
        return {
            "reviewers": sorted(self._handle(one) for one in people),
            "prevent_self_review": any(one.prevent_self_review for one in reviews),
            "wait_timer": max([one.wait_timer for one in found.protection_rules], default=0),
            "can_admins_bypass": found.can_admins_bypass,
            "branches": branches,
        }

    def patterns(self, name: str) -> list[given.Pattern]:
        """Return the branches and tags that may deploy to an environment."""
        what = f"the branches of the environment {name}"
        path = f"/environments/{name}/deployment-branch-policies?per_page=100"
        found = self.find(given.Patterns, what, path)
        if found and found.total_count > len(found.branch_policies):
            raise Problem(
                f"GitHub has more than one page about {what}, and the engine reads one: "
                "report this as a bug of the engine (governed-ml)"
            )
        return found.branch_policies if found else []

    def _handle(self, one: given.Reviewer) -> str:
        owner = self.name.partition("/")[0]
        return (f"@{one.login}" if one.kind == "User" else f"@{owner}/{one.slug}").lower()

    def ruleset(self, name: str) -> Values | None:
        """Return a ruleset of the repository, or None if it does not exist."""
        path = f"/repos/{self.name}/rulesets?includes_parents=false"
        found = read_all(given.Named, "the rulesets", at(self.github, path), self.need)
        number = next((one.id for one in found if one.name == name), None)
        if number is None:
            return None
        said = self.get(given.Ruleset, f"the ruleset {name}", f"/rulesets/{number}")
        if said.bypass_actors is None:
            raise Refused(f"the token may not read who can bypass it; {ADMIN}", 403)
        return {
            "id": number,
            "target": said.target,
            "enforcement": said.enforcement,
            "bypass_actors": said.bypass_actors,
            "include": said.include,
            "exclude": said.exclude,
            "rules": {one.type: _sorted(one.parameters) for one in said.rules},
        }

    def rules(self, branch: str) -> list[given.BranchRule]:
        """Return the rules that are active for a branch, from all rulesets."""
        path = f"/repos/{self.name}/rules/branches/{branch}"
        return read_all(
            given.BranchRule, f"the rules of {branch}", at(self.github, path), self.need
        )

    def values(self, what: str, path: str) -> Values | None:
        """Return plain settings, or None if GitHub does not offer them."""
        return self.find(Values, what, path)

    def codeowners(self, base: Path, commit: str) -> Values:
        """Return the errors in CODEOWNERS; GitHub silently ignores lines with errors."""
        found = self.find(given.Faults, "CODEOWNERS", f"/codeowners/errors?ref={PROTECTED}")
        text = content(base, commit, CODEOWNERS)
        if found is None or text is None:
            return {"errors": [f"there is no {CODEOWNERS}"]}
        rules = [
            line.partition("#")[0].split() for line in text.decode(errors="replace").split("\n")
        ]
        nobody = [f"line {n}: no owner" for n, words in enumerate(rules, 1) if len(words) == 1]
        told = [f"line {one.line}: {one.kind}" for one in found.errors]
        return {"errors": [*told, *nobody] if any(rules) else ["it is empty"]}

    def pull(self, number: int) -> tuple[str, str]:
        """Return the head and base branch of a pull request."""
        found = self.get(given.PullBranches, f"pull request {number}", f"/pulls/{number}")
        return found.head, found.base

    def account(self, handle: str) -> Values:
        """Return an account or team in the form that GitHub expects for a reviewer."""
        org, _, team = handle.removeprefix("@").partition("/")
        if team and org.lower() != self.name.partition("/")[0].lower():
            raise Problem(
                f"{handle} is not a team of {self.name}'s organisation: name one that is", 1
            )
        path = f"/orgs/{org}/teams/{team}" if team else f"/users/{org}"
        found = read(given.Named, handle, at(self.github, path), self.need)
        return {"type": "Team" if team else "User", "id": found.id}


def _sorted(parameters: Values) -> Values:
    """Return a rule's parameters with its status checks sorted."""
    checks = parameters.get("required_status_checks")
    if not isinstance(checks, list):
        return parameters
    named = [one | {"integration_id": one.get("integration_id")} for one in checks]
    return parameters | {
        "required_status_checks": sorted(named, key=lambda one: str(one.get("context")))
    }


@contextmanager
def opened(base: Path, need: str) -> Generator[Hub]:
    """Connect to GitHub, and provide access to the repository's settings."""
    name = repository(base)
    with connect() as github:
        yield Hub(github, name, need)

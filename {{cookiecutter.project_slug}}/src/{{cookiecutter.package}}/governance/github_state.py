"""GitHub's settings as they are, in the shape in which `github_settings` compares them."""

# GitHub's client is an extra, and types are checked without it, too.
# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from ..problem import Problem
from .github_client import Refused, at, connect, read, read_all, repository, write
from .github_settings import EVERY, PROTECTED_ONLY, Values
from .repository import PROTECTED, content, protected
from .today import Today, rules_of

if TYPE_CHECKING:
    from githubkit import GitHub, TokenAuthStrategy

T = TypeVar("T")
CODEOWNERS = ".github/CODEOWNERS"
ADMIN = (
    "use an administrator's (fine-grained: Administration and Environments read and write, "
    "Actions, Contents and Metadata read; for teams, Members read)"
)
READER = "give it `actions: read`, `contents: read` and `pull-requests: read`"


class _Answer(BaseModel):
    """What is used of an answer of GitHub's."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Reviewer(_Answer):
    kind: str = Field(validation_alias="type")
    login: str = Field(default="", validation_alias=AliasPath("reviewer", "login"))
    slug: str = Field(default="", validation_alias=AliasPath("reviewer", "slug"))


class _Protection(_Answer):
    type: str
    wait_timer: int = 0
    prevent_self_review: bool = False
    reviewers: list[_Reviewer] = []


class _Allowed(_Answer):
    protected_branches: bool


class _Environment(_Answer):
    protection_rules: list[_Protection] = []
    deployment_branch_policy: _Allowed | None = None
    can_admins_bypass: bool | None = None


class _Pattern(_Answer):
    id: int
    name: str
    type: str = "branch"


class _Patterns(_Answer):
    total_count: int
    branch_policies: list[_Pattern]


class _Named(_Answer):
    id: int
    name: str


class _Ref(_Answer):
    include: list[str] = []
    exclude: list[str] = []


class _Conditions(_Answer):
    ref_name: _Ref = _Ref()


class Rule(_Answer):
    """A rule of a branch."""

    type: str
    parameters: Values = {}


class _Ruleset(_Answer):
    target: str
    enforcement: str
    bypass_actors: list[Values] | None = None  # only who may change the ruleset sees them
    conditions: _Conditions | None = None
    rules: list[Rule] = []


class Branch(_Answer):
    """A branch: its commit, and whether the classic protection is on."""

    sha: str = Field(validation_alias=AliasPath("commit", "sha"), pattern=r"^[0-9a-f]{40,64}$")
    classic: bool = Field(default=False, validation_alias=AliasPath("protection", "enabled"))


class _Pull(_Answer):
    head: str = Field(validation_alias=AliasPath("head", "ref"))
    base: str = Field(validation_alias=AliasPath("base", "ref"))


class _Fault(_Answer):
    line: int
    kind: str


class _Faults(_Answer):
    errors: list[_Fault]


class _Account(_Answer):
    id: int


@dataclass(frozen=True)
class Hub:
    """One repository's settings on GitHub."""

    github: GitHub[TokenAuthStrategy]
    name: str
    need: str
    """What to give a token that may not."""

    def get(self, kind: type[T], what: str, path: str) -> T:
        """Return an answer about the repository."""
        return read(kind, what, at(self.github, f"/repos/{self.name}{path}"), self.need)

    def find(self, kind: type[T], what: str, path: str) -> T | None:
        """Return an answer, or None for what is not there."""
        try:
            return self.get(kind, what, path)
        except Refused as no:
            if no.status == 404:
                return None
            raise

    def send(self, what: str, method: str, path: str, body: Values | None = None) -> None:
        """Change something of the repository."""
        write(what, at(self.github, f"/repos/{self.name}{path}", method, body), self.need)

    def branch(self, name: str = PROTECTED) -> Branch:
        """Return a branch."""
        return self.get(Branch, f"the branch {name}", f"/branches/{quote(name, '')}")

    def today(self, base: Path) -> Today:
        """Return what holds on the protected branch.

        The commit is the one that GitHub names; where the clone has not got it, git fetches it.
        """
        commit = self.branch().sha
        return rules_of(
            base, protected(base) if content(base, commit, "dvc.yaml") is None else commit
        )

    def environment(self, name: str) -> Values | None:
        """Return who reviews in an environment, whether anybody gets around, and from where."""
        what = f"the environment {name}"
        found = self.find(_Environment, what, f"/environments/{quote(name, '')}")
        if found is None:
            return None
        reviews = [one for one in found.protection_rules if one.type == "required_reviewers"]
        people = [one for rule in reviews for one in rule.reviewers]
        allowed = found.deployment_branch_policy
        branches: Any = EVERY if allowed is None else PROTECTED_ONLY
        if allowed and not allowed.protected_branches:
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

    def patterns(self, name: str) -> list[_Pattern]:
        """Return the branches and tags that an environment takes."""
        what = f"the branches of the environment {name}"
        path = f"/environments/{quote(name, '')}/deployment-branch-policies?per_page=100"
        found = self.find(_Patterns, what, path)
        if found and found.total_count > len(found.branch_policies):
            raise Problem(f"GitHub has more than a page about {what}: cannot judge")
        return found.branch_policies if found else []

    def _handle(self, one: _Reviewer) -> str:
        owner = self.name.partition("/")[0]
        return (f"@{one.login}" if one.kind == "User" else f"@{owner}/{one.slug}").lower()

    def ruleset(self, name: str) -> tuple[int | None, Values | None]:
        """Return the number of a ruleset of the repository's own, and what it says."""
        path = f"/repos/{self.name}/rulesets?includes_parents=false"
        found = read_all(_Named, "the rulesets", at(self.github, path), self.need)
        number = next((one.id for one in found if one.name == name), None)
        if number is None:
            return None, None
        said = self.get(_Ruleset, f"the ruleset {name}", f"/rulesets/{number}")
        if said.bypass_actors is None:
            raise Refused(f"the token may not see who gets around it: {ADMIN}", 403)
        ref = said.conditions.ref_name if said.conditions else _Ref()
        return number, {
            "target": said.target,
            "enforcement": said.enforcement,
            "bypass_actors": said.bypass_actors,
            "include": ref.include,
            "exclude": ref.exclude,
            "rules": {one.type: _sorted(one.parameters) for one in said.rules},
        }

    def rules_of_set(self, name: str) -> Values | None:
        """Return what a ruleset of the repository's own says."""
        return self.ruleset(name)[1]

    def rules(self, branch: str) -> list[Rule]:
        """Return the rules that are active for a branch, whichever ruleset they are from."""
        path = f"/repos/{self.name}/rules/branches/{quote(branch, '')}"
        return read_all(Rule, f"the rules of {branch}", at(self.github, path), self.need)

    def values(self, what: str, path: str) -> Values | None:
        """Return plain settings, or None where GitHub does not offer them."""
        return self.find(Values, what, path)

    def codeowners(self, base: Path, commit: str) -> Values:
        """Return what is wrong with CODEOWNERS: what GitHub does not understand it ignores."""
        found = self.find(_Faults, "CODEOWNERS", f"/codeowners/errors?ref={PROTECTED}")
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
        """Return from where to where a pull request goes."""
        found = self.get(_Pull, f"pull request {number}", f"/pulls/{number}")
        return found.head, found.base

    def account(self, handle: str) -> Values:
        """Return an account or a team as GitHub takes it for a reviewer."""
        org, _, team = handle.removeprefix("@").partition("/")
        if team and org.lower() != self.name.partition("/")[0].lower():
            raise Problem(f"{handle} is no team of {self.name}'s organisation: name one of its", 1)
        path = f"/orgs/{org}/teams/{team}" if team else f"/users/{org}"
        found = read(_Account, handle, at(self.github, path), self.need)
        return {"type": "Team" if team else "User", "id": found.id}


def _sorted(parameters: Values) -> Values:
    """Return a rule's parameters with its checks in order, each with an app or none."""
    checks = parameters.get("required_status_checks")
    if not isinstance(checks, list):
        return parameters
    named = [one | {"integration_id": one.get("integration_id")} for one in checks]
    return parameters | {
        "required_status_checks": sorted(named, key=lambda one: str(one.get("context")))
    }


@contextmanager
def opened(base: Path, need: str) -> Iterator[Hub]:
    """Open the door to the repository's settings."""
    name = repository(base)
    with connect() as github:
        yield Hub(github, name, need)

"""Models of GitHub's answers about settings, with only the fields that the engine uses."""

from __future__ import annotations

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from governed_ml.github.settings import Values


class Response(BaseModel):
    """Base of the models: other fields of an answer are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class Reviewer(Response):
    """A reviewer of an environment: an account or a team."""

    kind: str = Field(validation_alias="type")
    login: str = Field(default="", validation_alias=AliasPath("reviewer", "login"))
    slug: str = Field(default="", validation_alias=AliasPath("reviewer", "slug"))


class Protection(Response):
    """One protection rule of an environment."""

    type: str
    wait_timer: int = 0
    prevent_self_review: bool = False
    reviewers: list[Reviewer] = []


class DeploymentEnvironment(Response):
    """An environment."""

    name: str
    protection_rules: list[Protection] = []
    protected_only: bool | None = Field(
        default=None, validation_alias=AliasPath("deployment_branch_policy", "protected_branches")
    )
    can_admins_bypass: bool | None = None


class Pattern(Response):
    """A branch or tag pattern that may deploy to an environment."""

    id: int
    name: str
    type: str = "branch"


class Patterns(Response):
    """All patterns of an environment."""

    total_count: int
    branch_policies: list[Pattern]


class Named(Response):
    """A ruleset in a list of rulesets, or an account or team by its name."""

    id: int
    name: str | None = None


class BranchRule(Response):
    """A rule of a branch."""

    type: str
    parameters: Values = {}


class Ruleset(Response):
    """A ruleset."""

    target: str
    enforcement: str
    bypass_actors: list[Values] | None = None  # visible only to those who may change the ruleset
    include: list[str] = Field(
        default=[], validation_alias=AliasPath("conditions", "ref_name", "include")
    )
    exclude: list[str] = Field(
        default=[], validation_alias=AliasPath("conditions", "ref_name", "exclude")
    )
    rules: list[BranchRule] = []


class Branch(Response):
    """A branch: its commit, and whether classic branch protection is on."""

    sha: str = Field(validation_alias=AliasPath("commit", "sha"), pattern=r"^[0-9a-f]{40,64}$")
    classic: bool = Field(default=False, validation_alias=AliasPath("protection", "enabled"))


class PullBranches(Response):
    """The head and base branch of a pull request."""

    head: str = Field(validation_alias=AliasPath("head", "ref"))
    base: str = Field(validation_alias=AliasPath("base", "ref"))


class CodeownersError(Response):
    """A line of CODEOWNERS that GitHub ignores."""

    line: int
    kind: str


class Faults(Response):
    """All errors in CODEOWNERS."""

    errors: list[CodeownersError]

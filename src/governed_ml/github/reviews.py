"""Read from GitHub who approved: the environments of a run, or the reviews of a pull request."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED
from governed_ml.github.client import connect, read, read_all, repository

Sha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
Text = Annotated[str, Field(min_length=1)]


TIME = "%Y-%m-%dT%H:%M:%SZ"


class Review(Closed):
    """One person's verdict. The commit of an environment's approval is the run's commit."""

    login: str
    state: Literal["approved", "rejected"]
    commit: str = Field(description="empty for a review whose commit is gone")
    environment: str | None = None
    source: str = Field(description="github:run:ID or github:pull:NUMBER")
    comment: str
    time: str = Field(default="", description="UTC, of a review; an environment's has none")
    observed: str = Field(description="UTC; GitHub keeps no time for an environment's approval")


class _Answer(BaseModel):
    """Base of the models of GitHub's answers; other fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Environment(_Answer):
    name: Text


class _Approval(_Answer):
    login: Text = Field(validation_alias=AliasPath("user", "login"))
    kind: str = Field(validation_alias=AliasPath("user", "type"))
    state: Literal["approved", "rejected", "pending"]
    comment: str
    environments: list[_Environment]


class _User(_Answer):
    login: Text
    type: str


class _Review(_Answer):
    user: _User | None  # None: the account was deleted
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]
    commit_id: Sha | None
    body: str | None
    submitted_at: datetime | None = Field(default=None, strict=False)


class RunApprovals(_Answer):
    """A workflow run and the approvals of its environments, in GitHub's order."""

    number: int = Field(validation_alias="id")
    repository: str = Field(validation_alias=AliasPath("repository", "full_name"))
    workflow: str = Field(validation_alias="path", description="as .github/workflows/promote.yml")
    event: str
    run_attempt: int
    head_sha: Sha
    head_branch: str | None
    actor: Text = Field(validation_alias=AliasPath("actor", "login"))
    triggering_actor: Text = Field(validation_alias=AliasPath("triggering_actor", "login"))
    said: list[Review] = []


class PullApprovals(_Answer):
    """A pull request and the last review by each person other than its author."""

    number: int
    repository: str = Field(validation_alias=AliasPath("base", "repo", "full_name"))
    author: Text = Field(validation_alias=AliasPath("user", "login"))
    head_sha: Sha = Field(validation_alias=AliasPath("head", "sha"))
    head_branch: Text = Field(validation_alias=AliasPath("head", "ref"))
    base_branch: Text = Field(validation_alias=AliasPath("base", "ref"))
    merged: bool
    merge_commit_sha: Sha | None
    said: list[Review] = []


def run_approvals(base: Path, run_id: int) -> RunApprovals:
    """Return a workflow run's approvals, without those by bots and those still pending."""
    name, what = repository(base), f"run {run_id}"
    with connect() as github:
        actions, place = github.rest.actions, (*name.split("/"), run_id)
        run = read(RunApprovals, what, partial(actions.get_workflow_run, *place))
        _same(run, name, run_id)
        found = read(list[_Approval], what, partial(actions.get_reviews_for_run, *place))
    said = [
        Review(
            login=one.login,
            state=one.state,
            commit=run.head_sha,
            environment=environment.name,
            source=f"github:run:{run_id}",
            comment=one.comment,
            observed=_now(),
        )
        for one in found
        if one.kind == "User" and one.state != "pending"
        for environment in one.environments
    ]
    return run.model_copy(update={"said": said})


def reviews(base: Path, number: int) -> PullApprovals:
    """Return each person's last review (other than the author's), with the commit it was about.

    That commit may be older than the head; callers must compare them. A dismissed review cancels
    the person's earlier ones. Reviews by bots do not count.
    """
    name, what = repository(base), f"pull request {number}"
    with connect() as github:
        pulls, place = github.rest.pulls, (*name.split("/"), number)
        pull = read(PullApprovals, what, partial(pulls.get, *place))
        _same(pull, name, number)
        found = read_all(_Review, what, partial(pulls.list_reviews, *place))
    latest: dict[str, tuple[str, _Review]] = {}
    for one in found:  # in chronological order
        if one.user and one.user.type == "User" and one.state not in ("COMMENTED", "PENDING"):
            latest[one.user.login.lower()] = one.user.login, one
    latest.pop(pull.author.lower(), None)
    said = [
        Review(
            login=login,
            state="approved" if one.state == "APPROVED" else "rejected",
            commit=one.commit_id or "",
            source=f"github:pull:{number}",
            comment=one.body or "",
            time=one.submitted_at.astimezone(UTC).strftime(TIME) if one.submitted_at else "",
            observed=_now(),
        )
        for login, one in latest.values()
        if one.state != "DISMISSED"
    ]
    return pull.model_copy(update={"said": said})


class PullOf(_Answer):
    """A pull request that contains a commit."""

    number: int
    merged_at: datetime | None = Field(default=None, strict=False)
    base_branch: Text = Field(validation_alias=AliasPath("base", "ref"))


def pulls_of(base: Path, commit: str) -> list[PullOf]:
    """Return the pull requests to the protected branch that contain a commit."""
    name, what = repository(base), f"commit {commit[:12]}"
    with connect() as github:
        place = (*name.split("/"), commit)
        call = partial(github.rest.repos.list_pull_requests_associated_with_commit, *place)
        found = read_all(PullOf, what, call)
    return [one for one in found if one.base_branch == PROTECTED]


def _same(answer: RunApprovals | PullApprovals, name: str, number: int) -> None:
    """Raise `Problem` if an answer is about another item than the requested one."""
    if (answer.repository.lower(), answer.number) != (name.lower(), number):
        raise Problem(
            f"GitHub was asked about {name}, number {number}, but answered about "
            f"{answer.repository}, number {answer.number}: run this again"
        )


def _now() -> str:
    return datetime.now(UTC).strftime(TIME)

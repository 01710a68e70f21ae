"""Turn an update of the template into a pull request.

The token may change workflows, unlike `GITHUB_TOKEN`. So no unreviewed code of an update runs in
the job that has the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from governed_ml.core.problem import Problem
from governed_ml.core.repository import content
from governed_ml.github import proposal
from governed_ml.github.proposal import Proposal, Say
from governed_ml.github.settings import UPDATES as ENVIRONMENT
from governed_ml.github.workflow_run.workflow_output import plain
from governed_ml.scaffold.manifest import STATE, WORKFLOWS
from governed_ml.scaffold.origin import Origin

BRANCH = "template-update"
TOKEN = "TEMPLATE_UPDATE_TOKEN"  # noqa: S105 - a variable's name
RIGHTS = "a fine-grained token with read and write access to Contents, Pull requests and Workflows"
TITLE = "Update from the template"


@dataclass(frozen=True)
class TemplateUpdate:
    """A commit with an update, and the template's commits before and after it."""

    commit: str
    before: Origin
    after: Origin
    files: list[str]

    @property
    def title(self) -> str:
        """Return the commit's subject, which is also the pull request's title."""
        return f"{TITLE} ({self.after.commit[:12]})"

    @property
    def workflows(self) -> list[str]:
        """Return the workflow files that the update changes."""
        return [name for name in self.files if name.startswith(WORKFLOWS)]

    def body(self) -> str:
        """Return the pull request's description, the most important facts first."""
        one, two = self.before.commit, self.after.commit
        where = f"of `{self.after.template.replace('`', '')}`"
        lines = [f"From {one[:12]} to {two[:12]} {where}; what changed there:"]
        if self.after.template.startswith("https://github.com/"):
            address = self.after.template.removesuffix(".git")
            lines[0] += f" {address}/compare/{one}...{two}"
        lines += [
            "",
            "It holds all of the update: files and the engine's pin.",
        ]
        lines += ["", *(f"- {plain(name)}" for name in self.files)]
        return "\n".join(lines)

    def refused(self, said: str) -> str | None:
        """Return why GitHub refused a push of workflows, or None for another reason."""
        if not (self.workflows and "workflow" in said.lower()):
            return None
        names = ", ".join(self.workflows)
        return (
            f"{TOKEN} may not change workflows, and the update changes {names}: create "
            f"{RIGHTS}; nothing was pushed ({said})"
        )


def doubts(base: Path) -> list[str]:
    """Return why the token would not be safe in its environment; empty if it is."""
    return proposal.doubts(base, ENVIRONMENT)


def propose(base: Path, patch: Path, say: Say) -> tuple[TemplateUpdate, int, str]:
    """Push an update to its branch; open or update its pull request.

    Return the update, the pull request's number and its URL.
    """
    proposal.token(TOKEN, ENVIRONMENT, RIGHTS, ", and the gates cannot be updated without it")
    change = committed(base, patch)
    wanted = Proposal(
        branch=BRANCH,
        subject=TITLE,
        commit=change.commit,
        title=change.title,
        body=change.body(),
        token=TOKEN,
        environment=ENVIRONMENT,
        rights=RIGHTS,
        refused=change.refused,
    )
    pull = proposal.propose(base, wanted, say)
    return change, pull.number, pull.html_url


def committed(base: Path, patch: Path) -> TemplateUpdate:
    """Create a commit with an update on top of HEAD, without changing the working tree."""
    fix = "make it again with `governance update --patch`"
    tree, names = proposal.applied(base, patch, fix)
    before, after = _state(base, "HEAD"), _state(base, tree)
    change = TemplateUpdate("", before, after, names)
    commit = proposal.committed(base, tree, f"{change.title}\n\n{after.template}")
    return TemplateUpdate(commit, before, after, names)


def _state(base: Path, tree: str) -> Origin:
    try:
        return Origin.model_validate_json(content(base, tree, STATE) or b"")
    except ValidationError as error:
        raise Problem(
            f"the update has no readable {STATE}: run `governance update --patch` again"
        ) from error

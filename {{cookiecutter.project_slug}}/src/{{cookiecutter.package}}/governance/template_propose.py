"""An update of the template becomes a pull request: all of it, or nothing.

The token may change workflows, which `GITHUB_TOKEN` never may. So it is kept where only a run of
the protected branch gets it, and no code of an update that nobody has reviewed runs beside it.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from ..problem import Problem, cause, first_line
from .actions import plain
from .github_answers import Branch
from .github_client import at, read_all
from .github_settings import UPDATES as ENVIRONMENT
from .github_state import READER, Hub, opened
from .governed import STATE, WORKFLOWS
from .notify import LOOPBACK
from .preflight import environment_doubts
from .repository import PROTECTED, REMOTE, attempt, content, git, precedes
from .template import Origin

BRANCH = "template-update"
TOKEN = "TEMPLATE_UPDATE_TOKEN"  # noqa: S105 - a variable's name
RIGHTS = "a fine-grained one with Contents, Pull requests and Workflows read and write"
AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
TITLE = "Update from the template"
OURS = re.compile(rf"{re.escape(AUTHOR[1])} {TITLE} \([0-9a-f]{{12}}\)")
Say = Callable[[str], None]


class _Pull(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)
    number: int
    title: str
    html_url: str
    body: str | None = None


@dataclass(frozen=True)
class Change:
    """A commit with an update, from which template's commit to which."""

    commit: str
    before: Origin
    after: Origin
    files: list[str]

    @property
    def title(self) -> str:
        """Return the commit's subject and the pull request's title."""
        return f"{TITLE} ({self.after.commit[:12]})"

    @property
    def workflows(self) -> list[str]:
        """Return the workflows that it changes."""
        return [name for name in self.files if name.startswith(WORKFLOWS)]

    def body(self) -> str:
        """Return what a reviewer reads first."""
        one, two = self.before.commit, self.after.commit
        where = f"of `{self.after.template.replace('`', '')}`"
        lines = [f"From {one[:12]} to {two[:12]} {where}; what changed there:"]
        if self.after.template.startswith("https://github.com/"):
            address = self.after.template.removesuffix(".git")
            lines[0] += f" {address}/compare/{one}...{two}"
        lines += [
            "",
            "The governed files are the template's, byte for byte; nothing is left out.",
        ]
        lines += ["", *(f"- {plain(name)}" for name in self.files)]
        return "\n".join(lines)


def doubts(base: Path) -> list[str]:
    """Return why the token would not be safe, before a job names its environment."""
    with opened(base, READER) as hub:
        found = hub.environment(ENVIRONMENT)
        main = hub.get(Branch, f"the branch {PROTECTED}", f"/branches/{PROTECTED}")
        return environment_doubts(ENVIRONMENT, found, main.classic, reviewed=False)


def propose(base: Path, patch: Path, say: Say) -> tuple[Change, int, str]:
    """Push an update to its branch, open or bring up to date its pull request; return that."""
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise Problem(
            f"{TOKEN} is not set, and without it the gates would never be updated: make {RIGHTS}, "
            f"and put it into the environment {ENVIRONMENT} of the repository"
        )
    os.environ["GITHUB_TOKEN"] = token  # the one that GitHub is asked with
    change = committed(base, patch)
    with opened(base, f"{TOKEN} has to be {RIGHTS}") as hub:
        there = _pull(hub)
        if _push(base, change, _credentials(base, token)):
            say(f"{change.commit[:12]} is pushed to {BRANCH}")
        values = {"title": change.title, "body": change.body()}
        if there is None:
            where = {"head": BRANCH, "base": PROTECTED}
            hub.send("a new pull request", "POST", "/pulls", values | where)
            there = _pull(hub)
        elif (there.title, there.body) != tuple(values.values()):
            hub.send(f"pull request {there.number}", "PATCH", f"/pulls/{there.number}", values)
    if there is None:
        raise Problem(f"GitHub took a pull request from {BRANCH}, and has none: run this again")
    return change, there.number, there.html_url


def committed(base: Path, patch: Path) -> Change:
    """Make a commit of an update, after HEAD; the working tree stays as it is."""
    mend = "make it anew with `governance template update --patch`"
    try:
        given = patch.read_bytes()
    except OSError as error:
        raise Problem(f"{patch} cannot be read ({cause(error)}): {mend}") from error
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git(base, "read-tree", "HEAD", GIT_INDEX_FILE=index)
        words = ("apply", "--cached", "--whitespace=nowarn", "-")
        done = attempt(base, *words, stdin=given, GIT_INDEX_FILE=index)
        if done.returncode:
            raise Problem(f"{patch.name} is no change of this commit: {mend}")
        tree = git(base, "write-tree", GIT_INDEX_FILE=index)
    before, after = _state(base, "HEAD"), _state(base, tree)
    names = git(base, "diff", "--name-only", "--no-renames", "-z", "HEAD", tree).split("\0")
    change = Change("", before, after, [name for name in names if name])
    who = {}
    for part in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{part}_NAME": AUTHOR[0], f"GIT_{part}_EMAIL": AUTHOR[1]}
    message = f"{change.title}\n\n{after.template}\n".encode()
    commit = git(base, "commit-tree", tree, "-p", "HEAD", stdin=message, **who)
    return Change(commit, before, after, change.files)


def _state(base: Path, tree: str) -> Origin:
    try:
        return Origin.model_validate_json(content(base, tree, STATE) or b"")
    except ValidationError as error:
        raise Problem(f"the update has no {STATE} that can be read: make it anew") from error


def _pull(hub: Hub) -> _Pull | None:
    """Return the open pull request of the branch, if there is one."""
    head = quote(f"{hub.name.partition('/')[0]}:{BRANCH}")
    path = f"/repos/{hub.name}/pulls?state=open&base={PROTECTED}&head={head}"
    found = read_all(_Pull, "pull requests", at(hub.github, path), hub.need)
    return found[0] if found else None


def _push(base: Path, change: Change, given: dict[str, str]) -> bool:
    """Push the commit, unless the branch has the same; never over anybody else's commit."""
    ref = f"refs/heads/{BRANCH}"
    done = attempt(base, "ls-remote", REMOTE, ref, stdin=b"", **given)
    if done.returncode:
        raise Problem(f"{REMOTE} cannot be asked for {BRANCH}: {_said(done.stderr)}")
    old = done.stdout.decode().partition("\t")[0]
    if old:
        words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", REMOTE, ref)
        git(base, *words, stdin=b"", **given)
        form = ("-1", "--format=%ae %s", old)
        if not OURS.fullmatch(git(base, "log", *form)) or not precedes(base, f"{old}^", "HEAD"):
            raise Problem(
                f"somebody committed to {BRANCH}: merge or close its pull request, delete the "
                "branch, and run this again",
                1,
            )
        same = ("rev-parse", f"{old}^{{tree}}", f"{old}^")
        ours = ("rev-parse", f"{change.commit}^{{tree}}", f"{change.commit}^")
        if git(base, *same) == git(base, *ours):
            return False
    options = ["--quiet", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"]
    options += [f"--force-with-lease={ref}:{old}", REMOTE, f"{change.commit}:{ref}"]
    done = attempt(base, "push", *options, stdin=b"", **given)
    if done.returncode:
        said = _said(done.stderr)
        if change.workflows and "workflow" in said.lower():
            raise Problem(
                f"{TOKEN} may not change workflows, and the update changes "
                f"{', '.join(change.workflows)}: make {RIGHTS}; nothing was pushed ({said})"
            )
        raise Problem(f"{REMOTE} does not take {BRANCH}, nothing was pushed: {said}")
    return True


def _credentials(base: Path, token: str) -> dict[str, str]:
    """Return the variables by which git shows the token to the remote's server, and only there."""
    url = urlsplit(git(base, "remote", "get-url", REMOTE))
    local = url.scheme == "http" and LOOPBACK.fullmatch(url.hostname or "")
    if not (url.scheme == "https" or local):
        return {}  # over SSH, a person has a key
    server = f"{url.scheme}://{url.netloc.rpartition('@')[2]}/"
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


def _said(stderr: bytes) -> str:
    return first_line(ValueError(stderr.decode(errors="replace")), 200)

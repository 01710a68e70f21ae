"""Turn a patch into a pull request on its own branch, without overwriting others' commits.

The token that pushes it is only available to runs of the protected branch. There the patch is only
data: the code that made it ran without the token.
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

from pydantic import BaseModel, ConfigDict

from governed_ml.core.problem import Problem, cause, first_line
from governed_ml.core.repository import LOOPBACK, PROTECTED, REMOTE, attempt, git, precedes
from governed_ml.github.client import at, read_all
from governed_ml.github.current_settings import READER, Hub, opened
from governed_ml.github.protection import environment_doubts
from governed_ml.github.responses import Branch

AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
Say = Callable[[str], None]


class Pull(BaseModel):
    """A pull request that the engine opened."""

    model_config = ConfigDict(strict=True, frozen=True)
    number: int
    title: str
    html_url: str
    body: str | None = None


@dataclass(frozen=True)
class Proposal:
    """What is proposed, on which branch, and with which token."""

    branch: str
    subject: str
    """The beginning of the subject of all the engine's commits. Other commits are never
    overwritten.
    """
    commit: str
    title: str
    body: str
    token: str
    """The variable that holds the token; `environment` is the GitHub environment that stores it."""
    environment: str
    rights: str
    refused: Callable[[str], str | None] = lambda _: None
    """Returns a more specific reason for a refused push from git's output, or None."""

    def secret(self) -> str:
        """Return the token, and use it for all further requests to GitHub."""
        found = token(self.token, self.environment, self.rights)
        os.environ["GITHUB_TOKEN"] = found
        return found


def token(name: str, environment: str, rights: str, why: str = "") -> str:
    """Return a token from its variable, or raise `Problem` saying what to set."""
    found = os.environ.get(name, "").strip()
    if not found:
        raise Problem(
            f"{name} is not set{why}: create {rights}, and add it as a secret of the "
            f"repository's environment {environment}"
        )
    return found


def doubts(base: Path, environment: str) -> list[str]:
    """Return why the token would not be safe in the environment; empty if it is."""
    with opened(base, READER) as hub:
        found = hub.environment(environment)
        main = hub.get(Branch, f"the branch {PROTECTED}", f"/branches/{PROTECTED}")
        return environment_doubts(environment, found, main.classic, reviewed=False)


def applied(base: Path, patch: Path, fix: str) -> tuple[str, list[str]]:
    """Return the tree of HEAD with the patch applied, and the changed paths.

    The working tree does not change.
    """
    try:
        given = patch.read_bytes()
    except OSError as error:
        raise Problem(f"{patch} cannot be read ({cause(error)}): {fix}") from error
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git(base, "read-tree", "HEAD", GIT_INDEX_FILE=index)
        words = ("apply", "--cached", "--whitespace=nowarn", "-")
        done = attempt(base, *words, stdin=given, GIT_INDEX_FILE=index)
        if done.returncode:
            raise Problem(f"{patch.name} does not apply to this commit: {fix}")
        tree = git(base, "write-tree", GIT_INDEX_FILE=index)
    names = git(base, "diff", "--name-only", "--no-renames", "-z", "HEAD", tree).split("\0")
    return tree, [name for name in names if name]


def committed(base: Path, tree: str, message: str) -> str:
    """Create a commit on top of HEAD without moving any branch or the working tree.

    Return its id.
    """
    who = {}
    for part in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{part}_NAME": AUTHOR[0], f"GIT_{part}_EMAIL": AUTHOR[1]}
    return git(base, "commit-tree", tree, "-p", "HEAD", stdin=f"{message}\n".encode(), **who)


def propose(base: Path, wanted: Proposal, say: Say) -> Pull:
    """Push the commit to its branch; open or update its pull request, and return it."""
    secret = wanted.secret()
    with opened(base, f"{wanted.token} must be {wanted.rights}") as hub:
        there = pull_of(hub, wanted.branch)
        if _push(base, wanted, _credentials(base, secret)):
            say(f"{wanted.commit[:12]} is pushed to {wanted.branch}")
        values = {"title": wanted.title, "body": wanted.body}
        if there is None:
            where = {"head": wanted.branch, "base": PROTECTED}
            hub.send("a new pull request", "POST", "/pulls", values | where)
            there = pull_of(hub, wanted.branch)
        elif (there.title, there.body) != tuple(values.values()):
            hub.send(f"pull request {there.number}", "PATCH", f"/pulls/{there.number}", values)
    if there is None:
        branch = wanted.branch
        raise Problem(
            f"GitHub accepted a pull request from {branch} but does not list it: run this again"
        )
    return there


def pull_of(hub: Hub, branch: str) -> Pull | None:
    """Return the open pull request of a branch in this repository, or None."""
    head = quote(f"{hub.name.partition('/')[0]}:{branch}")
    path = f"/repos/{hub.name}/pulls?state=open&base={PROTECTED}&head={head}"
    found = read_all(Pull, "pull requests", at(hub.github, path), hub.need)
    return found[0] if found else None


def _push(base: Path, wanted: Proposal, given: dict[str, str]) -> bool:
    """Push the commit unless the branch has the same content; never overwrite others' commits."""
    branch, ref = wanted.branch, f"refs/heads/{wanted.branch}"
    done = attempt(base, "ls-remote", REMOTE, ref, stdin=b"", **given)
    if done.returncode:
        raise Problem(f"cannot read {branch} at {REMOTE}: {_said(done.stderr)}")
    old = done.stdout.decode().partition("\t")[0]
    if old:
        words = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", REMOTE, ref)
        git(base, *words, stdin=b"", **given)
        ours = re.compile(rf"{re.escape(f'{AUTHOR[1]} {wanted.subject}')} \([0-9a-f]{{12}}\)")
        said = git(base, "log", "-1", "--format=%ae %s", old)
        if not ours.fullmatch(said) or not precedes(base, f"{old}^", "HEAD"):
            raise Problem(
                f"somebody committed to {branch}: merge or close its pull request, delete the "
                "branch, and run this again",
                1,
            )
        same = ("rev-parse", f"{old}^{{tree}}", f"{old}^")
        new = ("rev-parse", f"{wanted.commit}^{{tree}}", f"{wanted.commit}^")
        if git(base, *same) == git(base, *new):
            return False
    options = ["--quiet", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"]
    options += [f"--force-with-lease={ref}:{old}", REMOTE, f"{wanted.commit}:{ref}"]
    done = attempt(base, "push", *options, stdin=b"", **given)
    if done.returncode:
        said = _said(done.stderr)
        raise Problem(
            wanted.refused(said) or f"{REMOTE} refused {branch}, so nothing was pushed: {said}"
        )
    return True


def _credentials(base: Path, secret: str) -> dict[str, str]:
    """Return variables with which git sends the token to the remote's server, and only there."""
    url = urlsplit(git(base, "remote", "get-url", REMOTE))
    local = url.scheme == "http" and LOOPBACK.fullmatch(url.hostname or "")
    if not (url.scheme == "https" or local):
        return {}  # over SSH, git uses a person's key
    server = f"{url.scheme}://{url.netloc.rpartition('@')[2]}/"
    basic = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


def _said(stderr: bytes) -> str:
    return first_line(ValueError(stderr.decode(errors="replace")), 200)

"""Git, as the registry needs it: the acting person, commits, and the protected branch.

Replacement objects and grafts are switched off, because they would show a rewritten history.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path

from governed_ml.core.problem import FOUND, Problem, first_line

LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|\[::1\]|localhost")

PROTECTED = "main"  # changed by reviewed pull requests only
REMOTE = "origin"
FETCHED = "refs/governance/protected"  # the remote's protected branch as last fetched
SETTINGS = {
    "core.quotePath": "false",
    "core.commitGraph": "false",  # this cache file could name false parents
    "core.hooksPath": os.devnull,  # a person's hooks must not affect the registry
    "core.fsync": "committed,reference",
    "core.fsyncMethod": "fsync",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "advice.graftFileDeprecated": "false",
}
FIXED = (
    "--no-replace-objects",
    *(word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")),
)


def git(base: Path, *words: str, stdin: bytes | None = None, **variables: str) -> str:
    """Run git and return its output without the last newline; raise `Problem` if it fails."""
    done = attempt(base, *words, stdin=stdin, **variables)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace")
        raise Problem(f"git {words[0]}: {first_line(ValueError(said), 200)}")
    return done.stdout.decode("utf-8", errors="replace").removesuffix("\n")


def attempt(
    base: Path, *words: str, stdin: bytes | None = None, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run git and return the finished process, for callers that evaluate its exit code."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEPT}
    env = kept | {"GIT_GRAFT_FILE": os.devnull, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    env |= {"GIT_OPTIONAL_LOCKS": "0"}  # reading writes nothing: on a full disk, git left a lock
    env |= {"TZ": "UTC"}  # git passes a signature's time to ssh-keygen without its zone
    # git takes arguments as UTF-8, whatever the locale
    env |= {name: os.fsdecode(value.encode()) for name, value in variables.items()}
    try:
        return subprocess.run(
            ["git", *FIXED, *words],
            cwd=base,
            env=env,
            input=stdin,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise Problem("git was not found: install git") from error


_KEPT = (  # how to reach a remote; not which repository, index or object store to use
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_SSL_CAINFO"),
)


def actor(base: Path) -> str:
    """Return who acts: the person who started the workflow run, else git's `user.email`."""
    who = os.environ.get("GITHUB_ACTOR") if os.environ.get("GITHUB_ACTIONS") else None
    found = who or attempt(base, "config", "user.email").stdout.decode(errors="replace").strip()
    if not found:
        raise Problem("git does not know who you are: run `git config user.email YOU@EXAMPLE.ORG`")
    return found


def signs(base: Path) -> bool:
    """Return whether git is configured to sign with an SSH key."""
    names = r"^(gpg\.format|user\.signingkey)$"
    said = attempt(base, "config", "--get-regexp", names).stdout.decode(errors="replace")
    lines = [line.partition(" ") for line in said.splitlines()]
    settings = {name: value for name, _, value in lines}  # git uses the last of several
    return settings.get("gpg.format") == "ssh" and bool(settings.get("user.signingkey"))


def head(base: Path) -> str:
    """Return the commit id of HEAD."""
    done = attempt(base, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if done.returncode:
        raise Problem("the repository has no commit yet: make one with `git commit`")
    return done.stdout.decode().strip()


def uncommitted(base: Path) -> list[str]:
    """Return the uncommitted changes, one line each, in the format of `git status --short`."""
    return git(base, "status", "--porcelain", "--untracked-files=all").splitlines()


def require_clean(base: Path) -> None:
    """Raise `Problem` if the working tree has uncommitted changes."""
    changed = uncommitted(base)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise Problem(
            f"the working tree has uncommitted changes ({changed[0][3:]}{more}): commit them, "
            "or run `git stash`",
            exit_code=FOUND,
        )


def has_remote(base: Path) -> bool:
    """Return whether the remote exists that the ledger is pushed to."""
    return REMOTE in git(base, "remote").splitlines()


def protected(base: Path) -> str:
    """Return the protected branch's commit, fetched from the remote now.

    Without a remote, it is the commit of the local branch. Raise `Problem` if fetching fails.
    """
    if has_remote(base):
        refspec = f"+refs/heads/{PROTECTED}:{FETCHED}"
        fetched = attempt(base, "fetch", "--quiet", "--no-tags", REMOTE, refspec)
        if fetched.returncode:
            said = first_line(ValueError(fetched.stderr.decode(errors="replace")), 160)
            absent = "couldn't find remote ref" in said
            todo = "push it first" if absent else "check the network and your access"
            raise Problem(
                f"cannot fetch {PROTECTED} from {REMOTE}: {said}. That branch says who may "
                f"approve: {todo}"
            )
        return _found(base, git(base, "rev-parse", FETCHED))
    done = attempt(base, "rev-parse", "--verify", "--quiet", f"refs/heads/{PROTECTED}^{{commit}}")
    if done.returncode:
        raise Problem(
            f"there is no branch {PROTECTED}, which holds the policy and the approvers: "
            f"create it, or run `git fetch {REMOTE} {PROTECTED}`"
        )
    return _found(base, done.stdout.decode().strip())


def last_protected(base: Path) -> str:
    """Return the protected branch's commit as this process last found it.

    The first call in a process asks the remote. If the remote does not answer, the result is the
    commit that was fetched last.
    """
    if answers := _answers(base):
        return answers[-1]
    try:
        return protected(base)
    except Problem:
        done = attempt(base, "rev-parse", "--verify", "--quiet", f"{FETCHED}^{{commit}}")
        if done.returncode:
            raise
        return _found(base, done.stdout.decode().strip())


@cache
def _answers(_base: Path) -> list[str]:
    """Return the commits of the protected branch that this process has found, oldest first."""
    return []


def _found(base: Path, commit: str) -> str:
    if commit not in _answers(base)[-1:]:  # a service asks for as long as it runs
        _answers(base).append(commit)
    return commit


def known_protected(base: Path) -> str:
    """Return the protected branch's commit as stored in this clone, without network access."""
    for ref in (FETCHED, f"refs/remotes/{REMOTE}/{PROTECTED}", f"refs/heads/{PROTECTED}"):
        done = attempt(base, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.decode().strip()
    raise Problem(f"this clone has no branch {PROTECTED}: run `git fetch {REMOTE} {PROTECTED}`")


def content(base: Path, commit: str, path: str) -> bytes | None:
    """Return a file's bytes in a commit, or None if the commit has no such file."""
    done = attempt(base, "cat-file", "blob", f"{commit}:{path}")
    return None if done.returncode else done.stdout


def extract(base: Path, commit: str, target: Path) -> None:
    """Write a commit's files into an empty folder, byte for byte.

    `git archive` and `git checkout` would apply filters, which the clone's configuration controls.
    """
    listed = attempt(base, "ls-tree", "-r", "-z", "--full-tree", commit)
    if listed.returncode:
        raise Problem(f"cannot read commit {commit[:12]}: run `git fetch`")
    lines = [line.partition("\t") for line in listed.stdout.decode().split("\0") if line]
    files = [(words.split()[2], name) for words, _, name in lines if words.startswith("100")]
    asked = "".join(f"{blob}\n" for blob, _ in files).encode()
    out = attempt(base, "cat-file", "--batch", stdin=asked).stdout
    start = 0
    for blob, name in files:
        line, _, _ = out[start : start + 100].partition(b"\n")
        words = line.split()
        if len(words) != 3 or words[1] != b"blob":
            raise Problem(
                f"{name} of commit {commit[:12]} ({blob[:12]}) cannot be read: run `git fsck`"
            )
        begin = start + len(line) + 1
        start = begin + int(words[2]) + 1
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(out[begin : start - 1])


def patch(base: Path) -> bytes:
    """Return the difference between the working tree and HEAD, in a form for `git apply`.

    A lock file that is not committed is left out, because `uv run` wrote it.
    """
    import tempfile

    from governed_ml.core.installation.lockfile import LOCK

    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git(base, "read-tree", "HEAD", GIT_INDEX_FILE=index)
        new = content(base, "HEAD", LOCK) is None
        paths = (".", f":(exclude){LOCK}") if new else (".",)
        git(base, "add", "--all", "--", *paths, GIT_INDEX_FILE=index)
        words = ("--cached", "--binary", "--full-index", "--no-ext-diff", "--no-textconv")
        done = attempt(base, "diff", *words, "--no-color", "HEAD", GIT_INDEX_FILE=index)
    return done.stdout


def precedes(base: Path, one: str, two: str) -> bool:
    """Return whether commit `one` is the same as `two` or an ancestor of it."""
    return attempt(base, "merge-base", "--is-ancestor", one, two).returncode == 0


def names(email: str) -> set[str]:
    """Return an e-mail address in lower case, with the account of a GitHub no-reply address."""
    email = email.strip().lower()
    found = re.fullmatch(r"(?:\d+\+)?([a-z0-9-]+)@users\.noreply\.github\.com", email)
    return {email, found[1]} if found else {email}


def written_by(base: Path, commits: str, *paths: str) -> set[str]:
    """Return the authors, committers and co-authors of commits, in the form of `names`."""
    form = "--format=%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)"
    lines = git(base, "log", form, commits, *paths).splitlines()
    found = [line.rpartition("<")[2].rstrip("> ") for line in lines if line.strip()]
    return {name for one in found for name in names(one)}

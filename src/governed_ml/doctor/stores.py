"""Check git, its remote, DVC, MLflow and the template's repository for the doctor."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from governed_ml.core import mlflow_store
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import (
    PROTECTED,
    REMOTE,
    attempt,
    has_remote,
    known_protected,
    precedes,
)
from governed_ml.doctor.diagnosis import NOTE, OK, UNKNOWN, WARNING, WRONG, Diagnosis

PATIENCE = 3.0  # seconds to wait for an answer over the network
SLOW = 30.0  # seconds for a DVC remote, because DVC itself must start


def _asked(base: Path, seconds: float, *command: str) -> tuple[int, str]:
    """Run a program with a timeout; return its exit code (-1: no answer) and its output."""
    env = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    try:
        done = subprocess.run(
            command,
            cwd=base,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer in {seconds:.0f} s"
    except OSError as error:
        return -1, first_line(error)
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return done.returncode, done.stdout.decode(errors="replace") if not done.returncode else said


def answer(base: Path) -> tuple[int, str]:
    """Ask git's remote whether it is reachable."""
    return _asked(base, PATIENCE, "git", "ls-remote", REMOTE, "HEAD")


def git_itself(base: Path) -> Iterator[Diagnosis]:
    """Check that there is a commit, a protected branch and a configured user."""
    if not attempt(base, "config", "user.email").stdout.strip():
        yield Diagnosis(
            "git", WRONG, "git does not know who you are: run `git config user.email YOU@…`"
        )
    elif attempt(base, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        yield Diagnosis("git", NOTE, "the repository has no commit yet: make one with `git commit`")
    elif (commit := protected_here(base)) is None:
        yield Diagnosis(
            "git",
            WRONG,
            f"there is no branch {PROTECTED}, and models are judged by its policy: create it",
        )
    else:
        yield Diagnosis("git", OK, f"{PROTECTED} is at {commit[:12]}")


def protected_here(base: Path) -> str | None:
    """Return the protected branch's commit in this clone, or None; no remote is asked."""
    try:
        known = known_protected(base)
    except Problem:
        return None
    tip = attempt(base, "rev-parse", "--verify", "--quiet", f"refs/remotes/{REMOTE}/{PROTECTED}")
    newer = tip.stdout.decode().strip()  # `git push` moves it, before a command fetches the branch
    return newer if newer and precedes(base, known, newer) else known


def git_remote(base: Path) -> Iterator[Diagnosis]:
    """Check that git's remote answers."""
    if not has_remote(base):
        yield Diagnosis(
            "remote",
            NOTE,
            f"there is no remote {REMOTE}, so nobody else has the ledger or can review: add "
            f"one with `git remote add {REMOTE} URL`",
        )
        return
    code, said = answer(base)
    bad = f"{REMOTE} does not answer: {said}; check it with `git remote --verbose`"
    yield (
        Diagnosis("remote", UNKNOWN, bad) if code else Diagnosis("remote", OK, f"{REMOTE} answers")
    )


def _local_remote(base: Path, name: str, url: str) -> Diagnosis:
    """Check a DVC remote that is a folder: whether it can be created, and outlives the project."""
    folder = (base / ".dvc" / Path(url).expanduser()).resolve()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return Diagnosis(
            "DVC remote",
            WRONG,
            f"{url} cannot be created: set another path with `uv run dvc remote modify`",
        )
    if folder.is_relative_to(base.resolve()):
        move = f'`uv run dvc remote modify {name} url "~/dvc-remotes/{base.resolve().name}"`'
        fix = f"move it with {move}, then run `uv run dvc push --all-commits`"
        lies = "is inside the project, where no clone reaches it and `git clean -xfd` deletes it"
        return Diagnosis("DVC remote", WARNING, f"{url} {lies}; {fix}")
    fix = "set a shared one with `uv run dvc remote modify` before others or a runner need the data"
    return Diagnosis("DVC remote", NOTE, f"{url} is a folder of this machine: {fix}")


def dvc(base: Path) -> Iterator[Diagnosis]:
    """Check that DVC is installed and has a remote that answers and is shared."""
    from governed_ml.core.shared_stores import remote, shared_remote

    try:
        yield Diagnosis("DVC", OK, version("dvc"))
    except PackageNotFoundError:
        yield Diagnosis("DVC", WRONG, "it is not installed: run `uv sync`")
        return
    name, url = remote(base)
    if not url:
        yield Diagnosis(
            "DVC remote", WRONG, "none is set: run `uv run dvc remote add --default NAME URL`"
        )
    elif url.lower().startswith("file:"):
        fix = "set it to the folder's path with `uv run dvc remote modify`"
        yield Diagnosis("DVC remote", WRONG, f"DVC cannot read {url}: {fix}")
    elif not shared_remote(base):
        yield _local_remote(base, name, url)
    else:
        code, said = _asked(base, SLOW, "dvc", "status", "--cloud", "--json")
        bad = f"{url} does not answer: {said}; run `uv run dvc status --cloud` to see more"
        yield (
            Diagnosis("DVC remote", WRONG, bad)
            if code
            else Diagnosis("DVC remote", OK, f"{url} answers")
        )


def mlflow(base: Path) -> Iterator[Diagnosis]:
    """Check that the store of runs and versions answers and is shared."""
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import urlopen

    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    own = base / "mlflow.db"
    if not uri and not own.exists():
        yield Diagnosis(
            "MLflow",
            NOTE,
            (
                "there is no run yet; without MLFLOW_TRACKING_URI, only this machine will see "
                "the runs"
            ),
        )
        return
    if uri.startswith(("http://", "https://")):
        bare = re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
        try:
            with urlopen(f"{bare}/health", timeout=PATIENCE):  # noqa: S310 - http or https, as above
                yield Diagnosis("MLflow", OK, f"{bare} answers")
        except (URLError, HTTPException, OSError, ValueError) as error:
            yield Diagnosis(
                "MLflow",
                WRONG,
                (
                    f"{bare} does not answer ({first_line(error, 120)}): check that it is running "
                    "and that MLFLOW_TRACKING_URI is right"
                ),
            )
        return
    why = _database(uri or mlflow_store.sqlite_url(own))
    if why:
        yield Diagnosis("MLflow", WRONG, why)
    elif uri and not uri.startswith("sqlite"):
        yield Diagnosis("MLflow", OK, "the database answers")
    else:
        yield Diagnosis(
            "MLflow",
            NOTE,
            (
                "the store is mlflow.db, which only this machine sees: set MLFLOW_TRACKING_URI "
                "to share it"
            ),
        )


def _database(uri: str) -> str | None:
    """Return why MLflow's database cannot be used and what to do, or None."""
    import sqlite3
    from contextlib import closing

    question = "SELECT version_num FROM alembic_version"
    try:
        if uri.startswith("sqlite"):
            from sqlalchemy import make_url

            path = Path(make_url(uri).database or "").absolute()
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                found = db.execute(question).fetchone()
        else:
            from sqlalchemy import create_engine, text

            with create_engine(uri).connect() as connection:
                found = connection.execute(text(question)).fetchone()
    except Exception as error:  # noqa: BLE001 - a driver may raise anything, and it is reported
        return mlflow_store.told(uri, ValueError(str(error).partition("\n")[0]))
    return mlflow_store.of_another_version(str(found[0]), uri) if found else None


def template(base: Path) -> Iterator[Diagnosis]:
    """Report the version of the template, and whether there is a newer one."""
    from governed_ml.scaffold.origin import origin

    try:
        known = origin(base)
    except Problem as problem:
        yield Diagnosis("template", WRONG, str(problem))
        return
    ref = known.checkout or "HEAD"
    here = f"at {known.commit[:12]}"
    code, said = _asked(base, PATIENCE, "git", "ls-remote", "--", known.template, ref)
    if code or not said.strip():
        yield Diagnosis(
            "template", NOTE, f"{here}; {known.template} does not say what its newest commit is"
        )
    elif said.split()[0] != known.commit:
        newer = "there is a newer one: run `uv run --group tools governance update`"
        yield Diagnosis("template", NOTE, f"{here}; {newer}")
    else:
        yield Diagnosis("template", OK, f"{here}, the newest")

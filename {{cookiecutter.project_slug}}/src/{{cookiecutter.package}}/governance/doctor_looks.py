"""What `governance doctor` looks at, area by area; heavy imports where they are needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..problem import Problem, first_line
from .doctor import NOTE, OK, PATIENCE, SLOW, UNKNOWN, WARNING, WRONG, Row, asked
from .repository import FETCHED, PROTECTED, REMOTE, attempt, has_remote

if TYPE_CHECKING:
    from ..config import Params
    from .approvers import Approvers

ANSWERS = ("git", "ls-remote", REMOTE, "HEAD")
SOON = 14  # days before its end at which a waiver is told of


def git_itself(base: Path) -> Iterable[Row]:
    """Is there a commit, a protected branch, and somebody who acts?"""
    if not attempt(base, "config", "user.email").stdout.strip():
        yield Row("git", WRONG, "it does not know who you are: `git config user.email YOU@…`")
    elif attempt(base, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        yield Row("git", NOTE, "there is no commit yet: commit first")
    elif not _protected(base):
        yield Row(
            "git", WRONG, f"there is no branch {PROTECTED}, by whose policy models are judged"
        )
    else:
        yield Row("git", OK, f"{PROTECTED} is at {_protected(base)[:12]}")


def _protected(base: Path) -> str:
    """Return the protected branch's commit as it is known here, without asking the remote."""
    refs = (FETCHED, f"refs/remotes/{REMOTE}/{PROTECTED}", f"refs/heads/{PROTECTED}")
    for ref in refs:
        done = attempt(base, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.decode().strip()
    return ""


def git_remote(base: Path) -> Iterable[Row]:
    """Does git's remote answer?"""
    if not has_remote(base):
        yield Row("remote", NOTE, f"there is no {REMOTE}: nobody else has the ledger, or reviews")
        return
    code, said = asked(base, PATIENCE, *ANSWERS)
    bad = f"{REMOTE} does not answer: {said}; look at `git remote --verbose`"
    yield Row("remote", UNKNOWN, bad) if code else Row("remote", OK, f"{REMOTE} answers")


def dvc(base: Path) -> Iterable[Row]:
    """Is DVC there, and a remote that answers and that others reach?"""
    from .registry import remote_url, shared_remote

    try:
        yield Row("DVC", OK, version("dvc"))
    except PackageNotFoundError:
        yield Row("DVC", WRONG, "is not installed: `uv sync`")
        return
    url = remote_url(base)
    if not url:
        yield Row("DVC remote", WRONG, "none is set: `uv run dvc remote add --default NAME URL`")
    elif not shared_remote(base):
        folder = (base / ".dvc" / url).resolve()
        if not folder.exists() and not folder.parent.is_dir():
            yield Row("DVC remote", WRONG, f"{url} cannot be made: `uv run dvc remote modify`")
            return
        mend = "before others or a runner need the data, `uv run dvc remote modify`"
        yield Row("DVC remote", NOTE, f"{url} is a folder of this machine: {mend}")
    else:
        code, said = asked(base, SLOW, "dvc", "status", "--cloud", "--json")
        bad = f"{url} does not answer: {said}; `uv run dvc status --cloud` says more"
        yield Row("DVC remote", WRONG, bad) if code else Row("DVC remote", OK, f"{url} answers")


def mlflow(base: Path) -> Iterable[Row]:
    """Does the store of runs and versions answer, and do others see it?"""
    from urllib.error import URLError
    from urllib.request import urlopen

    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    own = base / "mlflow.db"
    if not uri and not own.exists():
        yield Row(
            "MLflow", NOTE, "no run yet; without MLFLOW_TRACKING_URI only this machine sees it"
        )
        return
    check = "is it running? Check MLFLOW_TRACKING_URI"
    if uri.startswith(("http://", "https://")):
        bare = re.sub(r"//[^/@]*@", "//", uri).rstrip("/")
        try:
            with urlopen(f"{bare}/health", timeout=PATIENCE):  # noqa: S310 - http or https, as above
                yield Row("MLflow", OK, f"{bare} answers")
        except (URLError, OSError, ValueError) as error:
            yield Row(
                "MLflow", WRONG, f"{bare} does not answer ({first_line(error, 120)}): {check}"
            )
        return
    why = _database(uri or f"sqlite:///{own.as_posix()}")
    if why:
        mend = check if uri else "put mlflow.db back, or set MLFLOW_TRACKING_URI"
        yield Row("MLflow", WRONG, f"the store cannot be read ({why}): {mend}")
    elif uri and not uri.startswith("sqlite"):
        yield Row("MLflow", OK, "the database answers")
    else:
        yield Row("MLflow", NOTE, "mlflow.db: only this machine sees it (MLFLOW_TRACKING_URI)")


def _database(uri: str) -> str:
    """Return why a database of MLflow's cannot be read, or nothing."""
    import sqlite3
    from contextlib import closing

    question = "SELECT version_num FROM alembic_version"
    try:
        if uri.startswith("sqlite:///"):
            path = Path(uri.removeprefix("sqlite:///")).absolute()
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                db.execute(question)
            return ""
        from sqlalchemy import create_engine, text

        with create_engine(uri).connect() as connection:
            connection.execute(text(question))
    except Exception as error:  # noqa: BLE001 - a driver of any kind: whatever it is, it is said
        return first_line(ValueError(str(error).partition("\n")[0]), 120)
    return ""


def _params(base: Path) -> Params:
    from ..composition import CONF, compose

    return compose(base / CONF)


def policy(base: Path) -> Iterable[Row]:
    """Does `conf/` compose, does somebody have to say yes, do the waivers hold?"""
    from ..pipeline.compose import check as require_sound

    try:
        params = _params(base)
        require_sound(params)
    except Problem as problem:
        yield Row("policy", WRONG, str(problem))
        return
    found, asked = params.policy, params.policy.approvals
    if asked is None:
        yield Row("policy", WRONG, f"{found.name} has no approvals, so nothing can be promoted")
    else:
        roles = " and ".join(asked.roles)
        yield Row("policy", OK, f"{found.name}: {len(found.rules)} rules; {roles} have to say yes")
    today = datetime.now(UTC).date()
    for one in found.waivers:
        left = (one.expires - today).days
        if left < 0:
            mend = "mend what it is about, or have its owner renew it"
            yield Row("waiver", WRONG, f"{one.rule} was waived until {one.expires}: {mend}")
        elif left <= SOON:
            yield Row("waiver", WARNING, f"{one.rule} is waived until {one.expires} only")


def hooks(base: Path) -> Iterable[Row]:
    """Are the hooks installed that .pre-commit-config.yaml names?"""
    import yaml

    try:
        config = yaml.safe_load((base / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
        wanted = list(config.get("default_install_hook_types", ["pre-commit"]))
    except (OSError, yaml.YAMLError, AttributeError) as error:
        said = first_line(error, 120)
        yield Row("hooks", WRONG, f".pre-commit-config.yaml cannot be read ({said}): restore it")
        return
    common = attempt(base, "rev-parse", "--path-format=absolute", "--git-common-dir").stdout
    folder = Path(os.fsdecode(common).strip()) / "hooks"
    for scope in ("--global", "--local"):
        own = attempt(base, "config", scope, "--get", "core.hooksPath").stdout
        folder = base / Path(os.fsdecode(own).strip()).expanduser() if own.strip() else folder
    lost = [name for name in wanted if not _runs_precommit(folder / name)]
    line = f"{', '.join(lost)} not installed: `uv run pre-commit install` (CI runs the same)"
    yield Row("hooks", WARNING, line) if lost else Row("hooks", OK, ", ".join(wanted))


def _runs_precommit(path: Path) -> bool:
    return path.is_file() and b"pre-commit" in path.read_bytes()


def keys(base: Path) -> Iterable[Row]:
    """Is there a key that signs models, and does git sign events where that is due?"""
    from . import signing
    from .repository import signs

    listed = _approvers(base)
    if not os.environ.get(signing.VARIABLE):
        line = f"{signing.VARIABLE} is not set: only who registers models needs it"
        yield Row("model key", NOTE, f"{line} (`uv run governance keygen PATH`)")
    else:
        try:
            key = signing.private_key(base)
            signing.require_listed(key, listed)
            yield Row("model key", OK, "it is there, and listed")
        except Problem as problem:
            yield Row("model key", WRONG, str(problem))
    how = "`git config gpg.format ssh` and `git config user.signingkey PATH`"
    if signs(base):
        yield Row("git signing", OK, "git signs events with SSH")
    elif listed.ledger:
        yield Row("git signing", WRONG, f"events have to be signed, and git does not: {how}")
    else:
        yield Row("git signing", NOTE, f"events are not signed: who wrote is not proven; {how}")


def _approvers(base: Path) -> Approvers:
    from .approvers import Approvers, read

    commit = _protected(base)
    return read(base, commit) if commit else Approvers()


def people(base: Path) -> Iterable[Row]:
    """Can the roles that the policy asks for be filled, by different people?"""
    from .approvals import Approval, missing

    try:
        listed = _approvers(base)
    except Problem as problem:
        yield Row("approvers", WRONG, str(problem))
        return
    if not listed.people:
        line = "nobody is listed in governance/approvers.yaml: the risk owner adds people"
        yield Row("approvers", NOTE, f"{line} before a model can be approved")
        return
    today = datetime.now(UTC).date()
    for one in listed.people:
        if not one.github and not any(key.counts(today) for key in one.keys):
            yield Row("approvers", WARNING, f"{one.name} has no GitHub account and no valid key")
    wanted = _params(base).policy.approvals
    said = [Approval.model_construct(approver=one.name, roles=one.roles) for one in listed.people]
    lost = missing(wanted, said) if wanted else []
    if lost:
        line = f"no person of its own for {' and '.join(lost)} in governance/approvers.yaml"
        yield Row("approvers", WRONG, f"{line}: the risk owner adds one")
    else:
        yield Row("approvers", OK, f"{len(listed.people)} people for what the policy asks")


def github(base: Path) -> Iterable[Row]:
    """Are GitHub's settings as `governance github verify` wants them?"""
    from .github_client import repository

    if not os.environ.get("GITHUB_TOKEN") and not os.environ.get("GH_TOKEN"):
        yield Row("GitHub", NOTE, "not looked at: set GITHUB_TOKEN")
        return
    try:
        repository(base)
    except Problem as problem:
        yield Row("GitHub", NOTE, f"not looked at: {problem}")
        return
    from .github_apply import planned

    with planned(base) as plan:
        found = plan.compare()
    for one in found.settings:
        if one.lines:
            state = UNKNOWN if one.state == "unknown" else WRONG
            mend = "`uv run governance github apply`"
            yield Row("GitHub", state, f"{one.name}: {'; '.join(one.lines)}: {mend}")
    if not found.exit_code:
        yield Row("GitHub", OK, f"{len(found.settings)} settings as wanted")


def ledger(base: Path) -> Iterable[Row]:
    """Is the ledger whole, and does somebody else remember its end?"""
    from .ledger import read
    from .ledger_check import verify
    from .ledger_cli import anchors_of, signers_of
    from .vouch import doubts

    if has_remote(base) and asked(base, PATIENCE, *ANSWERS)[0]:
        yield Row("ledger", UNKNOWN, f"not looked at, as {REMOTE} does not answer")
        return
    anchors, lost = anchors_of(base)
    signers, unknown = signers_of(base)
    found = verify(base, anchors, signers, [why for why in (lost, unknown) if why])
    wrong = found.problems or (doubts(base, read(base)) if found.events and not unknown else [])
    for line in wrong:
        yield Row("ledger", WRONG, f"{line}; see `uv run governance ledger verify`")
    for line in found.unchecked:
        yield Row("ledger", UNKNOWN, line)
    if wrong or found.unchecked:
        return
    if not found.events:
        yield Row(
            "ledger", NOTE, "it is empty: `uv run governance register` writes the first event"
        )
    elif found.unanchored:
        line = f"the last {found.unanchored} of {found.events} events are named nowhere else"
        yield Row("ledger", WARNING, f"{line}: `uv run governance reconcile`")
    else:
        yield Row("ledger", OK, f"{found.events} events, anchored to the last")


def template(base: Path) -> Iterable[Row]:
    """Which version of the template is this, and is there a newer one?"""
    from .template import origin

    try:
        known = origin(base)
    except Problem as problem:
        yield Row("template", WRONG, str(problem))
        return
    ref = known.checkout or "HEAD"
    here = f"at {known.commit[:12]}"
    code, said = asked(base, PATIENCE, "git", "ls-remote", "--", known.template, ref)
    if code or not said.strip():
        yield Row("template", NOTE, f"{here}; {known.template} does not say what is newest")
    elif said.split()[0] != known.commit:
        yield Row(
            "template", NOTE, f"{here}; there is a newer one: `uv run governance template update`"
        )
    else:
        yield Row("template", OK, f"{here}, the newest")

"""Check that `conf/` composes to the committed files, and that no waiver has expired."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.lineage.config_differences import Members, differences
from governed_ml.core.config import policy_files
from governed_ml.core.config.composition import CONF, GROUPS, compose
from governed_ml.core.config.params import Params, read_raw
from governed_ml.core.files import PARAMS, POLICY
from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt
from governed_ml.github import policy_diff
from governed_ml.pipeline.stages.compose import check as require_sound

CHECK = "`uv run governance check config` says whether it is fixed"


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Check the whole configuration, and report rules that were loosened.

    Files of a group that are not chosen are composed if `names` contains them, or all of them if
    `names` contains a file that chooses among them.
    """
    try:
        params = compose(base / CONF)
        require_sound(params)
    except Problem as problem:
        return [_broken(base, problem)]
    today = datetime.now(UTC).date()
    for line in loosened(base, params):
        print(f"note: {line}", file=sys.stderr)
    found = [*_composed(base, params), *_members(base, params, today, set(names))]
    return list(dict.fromkeys(found))


def _broken(base: Path, problem: Problem, name: str = "") -> CheckFinding:
    """Return the finding for a configuration that does not compose, with its file."""
    key = str(problem).removeprefix("conf/: ")
    known = key != str(problem)  # a value is named, so `conf/config.yaml` itself could be read
    return CheckFinding(name or (Members(base).file(key) if known else CONF.as_posix()), key, CHECK)


def _composed(base: Path, params: Params) -> Iterator[CheckFinding]:
    """Compare the files that `compose` wrote with the composition, if the stage has run."""
    if not (base / PARAMS).is_file():
        return
    members = Members(base)
    for name, what in differences(read_raw(base / PARAMS), params.model_dump(mode="json")):
        file = POLICY if name.startswith("policy") else PARAMS
        reason = f"{name} {what}, but {file} does not have it yet"
        yield CheckFinding(
            members.file(name), reason, "run `uv run dvc repro` and commit what it writes"
        )


def _members(base: Path, params: Params, today: date, names: set[str]) -> Iterator[CheckFinding]:
    """Compose each file of every group, with the chosen files of the other groups."""
    chosen = Members(base).members
    for group in GROUPS:
        shared = {"config.yaml", f"{group}/{policy_files.BASE}.yaml"}  # these affect every file
        every = bool(names & {f"{CONF.as_posix()}/{name}" for name in shared})
        for path in policy_files.members(base / CONF, group):
            name, own = path.relative_to(base).as_posix(), path.stem == chosen.get(group)
            if not (own or every or name in names):
                continue
            try:
                one = params if own else compose(base / CONF, [f"{group}={path.stem}"])
                require_sound(one)
            except Problem as problem:
                yield _broken(base, problem, name)
                continue
            for waiver in one.policy.waivers if group == "policy" else []:
                if today > waiver.expires:
                    reason = (
                        f"the waiver for {waiver.rule} expired on {waiver.expires}, so it has no "
                        "effect"
                    )
                    fix = f"remove it, or ask {waiver.approved_by} to decide again"
                    where = policy_files.source_of(base / CONF, path.stem, ["waivers", waiver.rule])
                    yield CheckFinding(where.relative_to(base).as_posix(), reason, fix)


def loosened(base: Path, params: Params) -> list[str]:
    """Return a line for each limit, rule or waiver that is looser than in the last commit."""
    words = (
        *("conf", "governance", "src", ".github"),
        *("pyproject.toml", "uv.lock", "uv.toml", "dvc.yaml"),
    )
    if attempt(base, "diff", "--quiet", "HEAD", "--", *words).returncode != 1:
        return []  # nothing changed, or there is no commit
    try:
        changes = policy_diff.compare(
            policy_diff.before(base, "HEAD"), policy_diff.here(base, params)
        )
    except Problem as problem:
        return [f"the limits cannot be compared with those of the last commit: {problem}"]
    return [
        (
            f"loosened: {one.rule}: {one.what}; a pull request with it needs the approval of "
            "the risk owner"
        )
        for one in changes
        if one.kind == "loosened"
    ]

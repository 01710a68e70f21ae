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
    """Find what is wrong with the configuration as a whole; point out what was loosened.

    Of the members that are not chosen, those named are composed; all, if what chooses is named.
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
    """Say where it is that a configuration breaks."""
    key = str(problem).removeprefix("conf/: ")
    known = key != str(problem)  # which value it is: `conf/config.yaml` can be read, then
    return CheckFinding(name or (Members(base).file(key) if known else CONF.as_posix()), key, CHECK)


def _composed(base: Path, params: Params) -> Iterator[CheckFinding]:
    """Hold what `compose` wrote against the composition; before the first run it is not there."""
    if not (base / PARAMS).is_file():
        return
    members = Members(base)
    for name, what in differences(read_raw(base / PARAMS), params.model_dump(mode="json")):
        file = POLICY if name.startswith("policy") else PARAMS
        reason = f"{name} {what}, and {file} does not have it yet"
        yield CheckFinding(
            members.file(name), reason, "run `uv run dvc repro` and commit what it writes"
        )


def _members(base: Path, params: Params, today: date, names: set[str]) -> Iterator[CheckFinding]:
    """Compose the members of every group, with the other groups as they are chosen."""
    chosen = Members(base).members
    for group in GROUPS:
        shared = {"config.yaml", f"{group}/{policy_files.BASE}.yaml"}  # these concern every member
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
                    reason = f"the waiver for {waiver.rule} expired on {waiver.expires}: it is void"
                    fix = f"remove it, or have {waiver.approved_by} decide again"
                    where = policy_files.source_of(base / CONF, path.stem, ["waivers", waiver.rule])
                    yield CheckFinding(where.relative_to(base).as_posix(), reason, fix)


def loosened(base: Path, params: Params) -> list[str]:
    """Return a line for each limit, rule or waiver that is looser than in the last commit."""
    words = (
        *("conf", "governance", "src", ".github"),
        *("pyproject.toml", "uv.lock", "uv.toml", "dvc.yaml"),
    )
    if attempt(base, "diff", "--quiet", "HEAD", "--", *words).returncode != 1:
        return []  # nothing changed, or there is no commit yet
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

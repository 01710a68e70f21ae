"""What a change does to policy and engine. Loosened limits and moved pins need the risk owner.

The job `policy` runs this with the engine of the base branch, on the files of the change.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from governed_ml.core.code import stage_code
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.params import Params
from governed_ml.core.files import file_digest
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.core.repository import content, extract, git, written_by
from governed_ml.ledger import approvers as people
from governed_ml.policy.loosening import Change, Kind, between, contracts
from governed_ml.scaffold.locked_packages import Supply, differences, resolved, supply
from governed_ml.scaffold.manifest import Outside, commit_tree, outside, working_tree
from governed_ml.scaffold.origin import fetched
from governed_ml.scaffold.origin import require_published as published

OWNER = "risk-owner"  # the role in governance/approvers.yaml that is accountable for the policy


@dataclass(frozen=True)
class State:
    """Everything in a commit that affects how models are judged."""

    params: Params | Unusable
    """`Unusable` if this engine cannot read the configuration."""
    contract: list[Any]
    outside: dict[str, Outside]
    """Generated files, hooks and stages that differ from this engine's template."""
    supply: Supply
    sources: dict[str, str] = field(default_factory=dict[str, str])
    """Path → digest of the team's files that make the table; empty for other kinds of source."""
    predictions: list[Any] = field(default_factory=list[Any])
    """The expectations of the prediction contract, if there is one."""


def at(base: Path, commit: str) -> State:
    """Read the policy, the data contract, the generated files and the packages of a commit."""
    names, read = commit_tree(base, commit)
    found = {one.place: one for one in outside(names, read)}
    packages = supply(read)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            extract(base, commit, Path(scratch))
            params = compose(Path(scratch) / CONF)
            sources = sources_of(params, Path(scratch))
        both = [
            contract_of(path, None if path is None else content(base, commit, path), commit[:12])
            for path in (params.data.contract, params.data.prediction_contract)
        ]
        return State(params, both[0], found, packages, sources, predictions=both[1])
    except Problem as problem:
        return State(Unusable(str(problem)), [], found, packages)


def before(base: Path, commit: str) -> State:
    """Read the commit that a change is compared with.

    If it has no lock file, the packages are those of the running environment's lock file.
    """
    found = at(base, commit)
    if found.supply.packages is not None:
        return found
    return replace(found, supply=replace(found.supply, packages=resolved(found.supply.name)))


def here(base: Path, params: Params) -> State:
    """Read the same from the working tree, whose configuration is already composed."""
    names, read = working_tree(base)
    found = {one.place: one for one in outside(names, read)}
    both = [
        contract_of(path, _content(base, path), "the working tree")
        for path in (params.data.contract, params.data.prediction_contract)
    ]
    sources = sources_of(params, base)
    return State(params, both[0], found, supply(read), sources, predictions=both[1])


def _content(base: Path, path: str | None) -> bytes | None:
    return (base / path).read_bytes() if path and (base / path).is_file() else None


def sources_of(params: Params, base: Path) -> dict[str, str]:
    """Return path → digest of the team's files that make the table; empty for other sources."""
    if params.data.source.kind != "team":
        return {}
    files = stage_code.team_modules("ingest", base)
    return {path.relative_to(base).as_posix(): file_digest(path) for path in files}


def contract_of(path: str | None, raw: bytes | None, where: str) -> list[Any]:
    """Return the expectations in the bytes of a contract."""
    try:
        contract: Any = [] if raw is None else json.loads(raw)["expectations"]
        return [{k: one[k] for k in ("type", "kwargs")} for one in contract]
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{path} of {where} is not an expectation suite ({first_line(error, 80)}): restore it"
        ) from error


def require_published(base: Path, old: State, new: State) -> None:
    """Raise `Problem` if a new pin's commit is on no branch or tag of the engine's repository.

    On GitHub, a repository also serves the commits of every fork, and uv would install them.
    """
    address, commit = new.supply.source.get("git"), new.supply.source.get("rev")
    if address and commit and new.supply.source != old.supply.source:
        with fetched(base, str(address)) as copy:
            published(copy, str(address), str(commit))


def compare(old: State, new: State) -> list[Change]:
    """Return every difference between two states, loosened ones first.

    If this engine cannot read a configuration, it is either written for a newer engine or wrong. If
    the change also moves the engine, the risk owner must look at it; otherwise `Problem` is raised.
    """
    found = [*_installed(old, new), *_generated(old, new)]
    if isinstance(new.params, Unusable) or isinstance(old.params, Unusable):
        why = f"the policy of the base cannot be compared: {old.params}"
        why = new.params.reason if isinstance(new.params, Unusable) else why
        if not any(one.rule.startswith("engine.") for one in found):
            raise Problem(why)
        found.append(Change("policy", "loosened", f"it could not be compared: {why}"))
    else:
        found += between(old.params, new.params)
        found += contracts(old.contract, new.contract)
        found += contracts(old.predictions, new.predictions, "evaluate.prediction_contract")
        found += _sources(old.sources, new.sources)
    order: list[Kind] = ["loosened", "changed", "tightened"]
    return sorted(found, key=lambda one: order.index(one.kind))


def _installed(old: State, new: State) -> Iterable[Change]:
    """Yield differences in the engine and the libraries that measure and judge."""
    for rule, what in differences(old.supply, new.supply):
        yield Change(rule, "loosened", what)


def _generated(old: State, new: State) -> Iterable[Change]:
    """Yield generated files that differ from the template, except differences that the base has."""
    for place, one in new.outside.items():
        was = old.outside.get(place)
        if was is None or (was.digest, was.reason) != (one.digest, one.reason):
            yield Change(place, "loosened", f"it {one.reason}")
    for place in old.outside.keys() - new.outside.keys():
        yield Change(place, "tightened", "it is as in this engine's template again")


def _sources(old: dict[str, str], new: dict[str, str]) -> Iterable[Change]:
    """Yield changed code of the team that makes the table, because it decides what is measured."""
    for path in sorted(new):
        if old and old.get(path) != new[path]:
            yield Change(
                path, "loosened", "it has changed, and it makes the table that is measured"
            )


def approved_push(base: Path, since: str, until: str) -> str | None:
    """Return who approved what a push loosened, or None if a commit has no pull request.

    A push may contain several pull requests, so each commit of the branch is checked.
    """
    from governed_ml.github.reviews import pulls_of

    found: list[str] = []
    earlier = since
    for commit in git(base, "rev-list", "--first-parent", "--reverse", f"{since}..{until}").split():
        changes = compare(before(base, earlier), at(base, commit))
        if any(one.kind == "loosened" for one in changes):
            merged = [one.number for one in pulls_of(base, commit) if one.merged_at is not None]
            if not merged:
                return None
            found.append(approved_by(base, merged[0], earlier, commit))
        earlier = commit
    return " and ".join(dict.fromkeys(found)) or None


def approved_by(base: Path, number: int, since: str, until: str) -> str:
    """Return the risk owner who approved a pull request's head; raise `Problem` if nobody did.

    Approvals by authors of its commits do not count. Roles are read from
    `governance/approvers.yaml` as it was before the change.
    """
    from governed_ml.github.reviews import reviews

    owners = [one for one in people.read(base, since).people if OWNER in one.roles]
    if not owners:
        raise Problem(
            f"the policy is loosened, and nobody has the role {OWNER} in {people.PATH} of the "
            f"base ({since[:12]}): add a person with this role there first",
            1,
        )
    pull = reviews(base, number)
    own = written_by(base, f"{since}..{until}")
    accounts = {
        one.github.lower(): one.name
        for one in owners
        if one.github and not own & {one.github.lower(), *(mail.lower() for mail in one.emails)}
    }
    for one in pull.said:
        if one.login.lower() in accounts and one.state == "approved":
            if one.commit == pull.head_sha:
                return f"{accounts[one.login.lower()]} (@{one.login})"
            raise Problem(
                f"@{one.login} approved commit {one.commit[:12]} of pull request {number}, but "
                f"its head is now {pull.head_sha[:12]}: ask for another review",
                1,
            )
    whom = ", ".join(f"@{account}" for account in sorted(accounts)) or "one who wrote none of it"
    raise Problem(
        f"pull request {number} loosens the policy, and no {OWNER} has approved its head "
        f"{pull.head_sha[:12]}: ask {whom} for a review, then run the failed jobs again",
        1,
    )

"""What a change does to what judges: who loosens a limit or moves the engine needs the risk owner.

The job `policy` runs this with the engine of the base branch, on the change's tree.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy import Policy
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import content, extract, git, written_by
from governed_ml.ledger import approvers as people
from governed_ml.policy.rules import fewer_approvals, gentler, laxer, weaker_than
from governed_ml.scaffold.manifest import Outside, commit_tree, outside, working_tree
from governed_ml.scaffold.origin import fetched
from governed_ml.scaffold.origin import require_published as published
from governed_ml.scaffold.supply import Supply, differences, supply

OWNER = "risk-owner"  # the role in governance/approvers.yaml that answers for the policy
Kind = Literal["loosened", "tightened", "changed"]


@dataclass(frozen=True)
class Change:
    """One difference: of which rule, in which direction, and how it is now."""

    rule: str
    kind: Kind
    what: str


@dataclass(frozen=True)
class State:
    """What a commit is judged by."""

    params: Params | None
    """None where this engine cannot read the configuration; `unread` says why."""
    contract: list[Any]
    outside: dict[str, Outside]
    """Generated files, hooks and stages that are not as this engine's template has them."""
    supply: Supply
    unread: str = ""


def at(base: Path, commit: str) -> State:
    """Read the policy, the data contract, the generated files and the packages of a commit."""
    names, read = commit_tree(base, commit)
    found = {one.place: one for one in outside(names, read)}
    packages = supply(read)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            extract(base, commit, Path(scratch))
            params = compose(Path(scratch) / CONF)
        raw = content(base, commit, params.data.contract)
        return State(params, contract_of(params, raw, commit[:12]), found, packages)
    except Problem as problem:
        return State(None, [], found, packages, str(problem))


def here(base: Path, params: Params) -> State:
    """Read the same of the working tree, whose configuration was composed."""
    names, read = working_tree(base)
    found = {one.place: one for one in outside(names, read)}
    path = base / params.data.contract
    raw = path.read_bytes() if path.is_file() else None
    return State(params, contract_of(params, raw, "the working tree"), found, supply(read))


def contract_of(params: Params, raw: bytes | None, where: str) -> list[Any]:
    """Return the expectations of a data contract, given as bytes."""
    try:
        contract: Any = [] if raw is None else json.loads(raw)["expectations"]
        return [{k: one[k] for k in ("type", "kwargs")} for one in contract]
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{params.data.contract} of {where} is no suite: {first_line(error, 80)}"
        ) from error


def require_published(base: Path, old: State, new: State) -> None:
    """Refuse a moved pin whose commit is on no branch or tag of its repository.

    A repository on GitHub serves the commits of every fork, and uv installs them.
    """
    address, commit = new.supply.source.get("git"), new.supply.source.get("rev")
    if address and commit and new.supply.source != old.supply.source:
        with fetched(base, str(address)) as copy:
            published(copy, str(address), str(commit))


def compare(old: State, new: State) -> list[Change]:
    """Return every difference between two states, loosened ones first. Pure.

    A configuration that this engine cannot read is one that a newer engine reads, or an error: if
    the engine moves with it, the risk owner looks; otherwise it is refused.
    """
    found = [*_installed(old, new), *_generated(old, new)]
    if old.params is None or new.params is None:
        why = new.unread or f"the base has no policy to compare with: {old.unread}"
        if not any(one.rule.startswith("engine.") for one in found):
            raise Problem(why)
        found.append(Change("policy", "loosened", f"could not be compared: {why}"))
    else:
        found += [
            *_rules(old.params.policy, new.params.policy),
            *_waivers(old.params.policy, new.params.policy),
            *_frame(old.params.policy, new.params.policy),
            *_measured(old.params, new.params),
            *_contract(old.contract, new.contract),
        ]
    order: list[Kind] = ["loosened", "changed", "tightened"]
    return sorted(found, key=lambda one: order.index(one.kind))


def _rules(old: Policy, new: Policy) -> Iterable[Change]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for name, rule in before.items():
        now = after.get(name)
        if now is None:
            yield Change(name, "loosened", "the rule is gone")
        elif why := weaker_than(now, rule, "the base"):
            yield Change(name, "loosened", why)
        elif why := weaker_than(rule, now, "the change"):
            yield Change(name, "tightened", why.replace(" is ", " was ", 1))
        elif now != rule:
            yield Change(name, "changed", "owner or wording")
    for name in after.keys() - before.keys():
        yield Change(name, "tightened", "a new rule")


def _waivers(old: Policy, new: Policy) -> Iterable[Change]:
    before = {one.rule: one for one in old.waivers}
    after = {one.rule: one for one in new.waivers}
    for name, waiver in after.items():
        was = before.get(name)
        if was is None or waiver.expires > was.expires:
            yield Change(name, "loosened", f"waived until {waiver.expires} by {waiver.approved_by}")
        elif waiver != was:
            yield Change(name, "changed", "the waiver has other words or an earlier end")
    for name in before.keys() - after.keys():
        yield Change(name, "tightened", "the waiver is gone")


def _frame(old: Policy, new: Policy) -> Iterable[Change]:
    if old.name != new.name:
        yield Change("policy", "changed", f"{new.name} instead of {old.name}")
    if new.confidence < old.confidence:
        yield Change("confidence", "loosened", f"{new.confidence}, the base has {old.confidence}")
    elif new.confidence > old.confidence:
        yield Change("confidence", "tightened", f"{new.confidence} instead of {old.confidence}")
    for name, why in gentler(new, old, "the base").items():
        yield Change(name, "loosened", why)
    for name, why in gentler(old, new, "the change").items():
        yield Change(name, "tightened", why.replace("is ", "was ", 1))
    if old.approvals is not None:
        why = fewer_approvals(new.approvals, old.approvals, "the base")
        if why:
            yield Change("approvals", "loosened", why)
    if old.monitoring is None and new.monitoring is not None:
        yield Change("monitoring", "tightened", "production is watched")
    if old.monitoring is not None:
        looser = laxer(new.monitoring, old.monitoring, "the base")
        yield from (Change(name, "loosened", why) for name, why in looser.items())
        now = new.monitoring or old.monitoring
        for name, why in laxer(old.monitoring, now, "the change").items():
            if name not in looser:
                yield Change(name, "tightened", why.replace(" is ", " was ", 1))
    if old.floor is not None and old.floor != new.floor:
        yield Change("floor", "loosened", "the organisation's floor is gone or another")


def _measured(before: Params, after: Params) -> Iterable[Change]:
    """What no rule says, and what decides all the same which rules there are."""
    old, new = before.data, after.data
    for name, one in old.sensitive.items():
        now = new.sensitive.get(name)
        if now is None:
            yield Change(f"data.sensitive.{name}", "loosened", "is no longer measured")
        elif now != one:
            yield Change(f"data.sensitive.{name}", "loosened", "is grouped in another way")
    for name in sorted(set(old.proxies) - set(new.proxies)):
        yield Change(f"data.proxies.{name}", "loosened", "may be a feature")
    for name in ("target", "positive", "task"):
        if getattr(old, name) != getattr(new, name):
            yield Change(f"data.{name}", "loosened", "is another one")
    if before.deployment != after.deployment:
        yield Change("deployment", "loosened", "is another one, and rules ask for it")


def _contract(old: list[Any], new: list[Any]) -> Iterable[Change]:
    lost = [one for one in old if one not in new]
    if lost:
        columns = sorted({str(_kwargs(one).get("column", "the table")) for one in lost})
        yield Change(
            "validate.contract",
            "loosened",
            f"{len(lost)} expectations gone or changed: {', '.join(columns[:5])}",
        )


def _installed(old: State, new: State) -> Iterable[Change]:
    """What decides which engine and which libraries measure and judge."""
    for rule, what in differences(old.supply, new.supply):
        yield Change(rule, "loosened", what)


def _generated(old: State, new: State) -> Iterable[Change]:
    """Generated files that this engine does not know, unless the base has them just so."""
    for place, one in new.outside.items():
        was = old.outside.get(place)
        if was is None or (was.digest, was.reason) != (one.digest, one.reason):
            yield Change(place, "loosened", one.reason)
    for place in old.outside.keys() - new.outside.keys():
        yield Change(place, "tightened", "is as this engine's template has it")


def _kwargs(expectation: Mapping[str, Any]) -> dict[str, Any]:
    found = expectation["kwargs"]
    return found if isinstance(found, dict) else {}


def approved_push(base: Path, since: str, until: str) -> str | None:
    """Return who approved what a push loosened, or None if some of it came by no pull request.

    A push may bring several pull requests: each commit of the branch is asked for on its own.
    """
    from governed_ml.github.reviews import pulls_of

    found: list[str] = []
    before = since
    for commit in git(base, "rev-list", "--first-parent", "--reverse", f"{since}..{until}").split():
        changes = compare(at(base, before), at(base, commit))
        if any(one.kind == "loosened" for one in changes):
            merged = [one.number for one in pulls_of(base, commit) if one.merged_at is not None]
            if not merged:
                return None
            found.append(approved_by(base, merged[0], before, commit))
        before = commit
    return " and ".join(dict.fromkeys(found)) or None


def approved_by(base: Path, number: int, since: str, until: str) -> str:
    """Return which owner of the policy approved the head of a pull request; `Problem` if none.

    Who wrote one of the commits has no say.
    The roles are those of `governance/approvers.yaml` before the change.
    """
    from governed_ml.github.reviews import reviews

    owners = [one for one in people.read(base, since).people if OWNER in one.roles]
    if not owners:
        raise Problem(
            f"the policy is loosened, and nobody has the role {OWNER} in {people.PATH} of the base "
            f"({since[:12]}): list its owner there first",
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
                f"@{one.login} approved commit {one.commit[:12]} of pull request {number}, its "
                f"head is {pull.head_sha[:12]}: ask for another look",
                1,
            )
    whom = ", ".join(f"@{account}" for account in sorted(accounts)) or "one who wrote none of it"
    raise Problem(
        f"pull request {number} loosens what models are judged by, and no {OWNER} has approved its "
        f"head {pull.head_sha[:12]}: ask {whom} for a review, then run the failed jobs again",
        1,
    )

"""The rules in force: policy, approvers and settings, read from the protected branch."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from governed_ml.core.config.composition import CONF, compose_earlier, require_clear
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.monitor import Notify
from governed_ml.core.files import digest_of
from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt, content, extract, protected
from governed_ml.ledger import approvers as people
from governed_ml.ledger.approvers import Approvers

Composed = tuple[Params, Problem | None]
BY_TREE: dict[bytes, Composed] = {}
"""Cache of composed configurations, by the git object id of the folder `conf/`."""


@dataclass(frozen=True)
class Today:
    """The protected branch's current content.

    `contract` is the digest of its data contract, `predictions` that of its prediction contract.
    """

    commit: str
    day: date
    approvers: Approvers
    params: Params
    contract: str | None
    predictions: str | None = None

    @property
    def policy(self) -> Policy:
        """Return the policy that decisions and approvals must comply with."""
        return self.params.policy

    def silent(self) -> Today:
        """Return these rules without the webhook, for events that must send no message."""
        return replace(self, params=self.params.model_copy(update={"notify": Notify()}))

    @property
    def policy_digest(self) -> str:
        """Return the policy's digest, which decisions and approvals record."""
        return digest_of(self.policy.model_dump(mode="json"))


def today(base: Path) -> Today:
    """Fetch the protected branch, and read its policy and approvers."""
    commit = protected(base)
    _, unclear = _composed(base, commit)
    if unclear is not None:
        raise unclear
    return rules_of(base, commit)


@cache
def _composed(base: Path, commit: str) -> Composed:
    """Return a commit's configuration, and the problem for which it would be refused today, if any.

    Results are cached, because composing is slow and most commits do not change `conf/`.
    """
    tree = attempt(base, "rev-parse", f"{commit}:{CONF.as_posix()}").stdout
    if tree not in BY_TREE:
        found = _read(base, commit)
        if found[0].policy.floor is not None:  # its file is outside of `conf/`
            return found
        BY_TREE[tree] = found
    return BY_TREE[tree]


def _read(base: Path, commit: str) -> Composed:
    unclear = None
    with tempfile.TemporaryDirectory() as scratch:
        extract(base, commit, Path(scratch))
        conf = Path(scratch) / CONF
        try:
            require_clear(conf)
        except Problem as problem:
            unclear = problem
        try:
            return compose_earlier(conf), unclear
        except Problem as problem:
            raise (unclear or problem) from problem


def rules_of(base: Path, commit: str) -> Today:
    """Read the policy and the approvers from a commit."""
    params, _ = _composed(base, commit)
    approvers = people.read(base, commit)
    day = datetime.now(UTC).date()
    contract, predictions = (
        None if path is None else _digest(content(base, commit, path))
        for path in (params.data.contract, params.data.prediction_contract)
    )
    return Today(commit, day, approvers, params, contract, predictions)


def _digest(raw: bytes | None) -> str | None:
    return None if raw is None else f"sha256:{hashlib.sha256(raw).hexdigest()}"

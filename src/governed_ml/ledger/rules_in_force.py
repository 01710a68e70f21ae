"""The rules in force: policy, approvers and settings as the protected branch has them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from governed_ml.core.config.composition import CONF, compose, compose_earlier
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy import Policy
from governed_ml.core.files import digest_of
from governed_ml.core.repository import content, extract, protected
from governed_ml.ledger import approvers as people
from governed_ml.ledger.approvers import Approvers


@dataclass(frozen=True)
class Today:
    """The protected branch as it is now; `contract` is the digest of its data contract."""

    commit: str
    day: date
    approvers: Approvers
    params: Params
    contract: str | None

    @property
    def policy(self) -> Policy:
        """Return the policy that decisions and approvals are held against."""
        return self.params.policy

    @property
    def policy_digest(self) -> str:
        """Return the digest that decisions and approvals carry."""
        return digest_of(self.policy.model_dump(mode="json"))


def today(base: Path) -> Today:
    """Read policy and approvers from the protected branch, fetched now."""
    commit = protected(base)
    _composed(base, commit, compose)  # refuses what a commit of today may not have
    return rules_of(base, commit)


@cache
def _composed(base: Path, commit: str, how: Callable[[Path], Params]) -> Params:
    """Compose what a commit has, which stays as it is."""
    with tempfile.TemporaryDirectory() as scratch:
        extract(base, commit, Path(scratch))
        return how(Path(scratch) / CONF)


def rules_of(base: Path, commit: str) -> Today:
    """Read policy and approvers as a commit has them."""
    params = _composed(base, commit, compose_earlier)
    approvers = people.read(base, commit)
    day = datetime.now(UTC).date()
    contract = content(base, commit, params.data.contract)
    digest = None if contract is None else f"sha256:{hashlib.sha256(contract).hexdigest()}"
    return Today(commit, day, approvers, params, digest)

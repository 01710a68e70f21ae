"""The data contract of a release, read from its own commit instead of the working tree."""

from __future__ import annotations

import hashlib
from pathlib import Path

from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Collected
from governed_ml.core.files import write_bytes
from governed_ml.core.problem import Problem, Unusable
from governed_ml.core.repository import content
from governed_ml.ledger.lifecycle import Version


def with_contract(
    base: Path,
    version: Version,
    data: Data,
    evidence: Collected,
    folder: Path,
) -> Data:
    """Return a version's `data`, with a contract that is a file in `folder`.

    The contract must have the digest in the version's evidence. It is read from the version's
    commit, or from the working tree if this clone lacks the commit.
    """
    validated = evidence["validate"]
    if isinstance(validated, Unusable):
        raise Problem(f"the version's own evidence is not readable: {validated}", 1)
    wanted, commit = str(validated.body.contract_digest), version.subject["commit"]
    here = base / data.contract
    for found in (
        content(base, commit, data.contract),
        here.read_bytes() if here.is_file() else None,
    ):
        if found is not None and f"sha256:{hashlib.sha256(found).hexdigest()}" == wanted:
            path = folder / "contract.json"
            write_bytes(path, found)
            return data.model_copy(update={"contract": path.as_posix()})
    raise Problem(
        f"the data contract {data.contract} that version {version.number} was measured under "
        f"({wanted[:19]}) is neither in commit {commit[:12]} nor here: run `git fetch`"
    )

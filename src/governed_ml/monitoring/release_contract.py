"""The contracts of a release, read from its own commit instead of the working tree."""

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
    """Return a version's `data`, with contracts that are files in `folder`.

    A contract must have the digest in the version's evidence. It is read from the version's commit,
    or from the working tree if this clone lacks the commit.
    """
    validated = evidence["validate"]
    if isinstance(validated, Unusable):
        raise Problem(f"the version's own evidence is not readable: {validated}", 1)
    wanted = {"contract": (data.contract, str(validated.body.contract_digest))}
    if data.prediction_contract is not None:
        evaluated = evidence["evaluate"]
        if isinstance(evaluated, Unusable):
            raise Problem(f"the version's own evidence is not readable: {evaluated}", 1)
        said = str(evaluated.subject.inputs.get(data.prediction_contract))
        wanted["prediction_contract"] = (data.prediction_contract, said)
    files: dict[str, str] = {}
    for name, (path, digest) in wanted.items():
        target = folder / f"{name}.json"
        write_bytes(target, _of_release(base, version, path, digest))
        files[name] = target.as_posix()
    return data.model_copy(update=files)


def _of_release(base: Path, version: Version, path: str, wanted: str) -> bytes:
    """Return the content that a contract had when a version was measured."""
    commit, here = version.subject["commit"], base / path
    for found in (content(base, commit, path), here.read_bytes() if here.is_file() else None):
        if found is not None and f"sha256:{hashlib.sha256(found).hexdigest()}" == wanted:
            return found
    raise Problem(
        f"the contract {path} that version {version.number} was measured under "
        f"({wanted[:19]}) is neither in commit {commit[:12]} nor here: run `git fetch`"
    )

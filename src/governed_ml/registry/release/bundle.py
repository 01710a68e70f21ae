"""The files of a model version: the model in MLflow's format, its evidence, and a statement.

They are one folder, which is signed as a whole. The statement in it names the model and version.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from governed_ml.core import model_file
from governed_ml.core.config import AsGiven
from governed_ml.core.config.params import Params, parse, read_raw
from governed_ml.core.evidence import Collected, collect
from governed_ml.core.files import (
    COMPOSED,
    PARAMS,
    POLICY,
    file_digest,
    read_json,
    write_json,
)
from governed_ml.core.problem import Problem, first_line
from governed_ml.ledger.approvers import Approvers
from governed_ml.ledger.lifecycle import Version
from governed_ml.pipeline import mlflow_model
from governed_ml.registry.release import signing
from governed_ml.registry.versions import BUNDLE, SIGNATURE, Registry

RECORDS = "governance"  # the folder in a bundle with evidence, decision and statement
SEALED = (*COMPOSED, "code.json", "dvc.lock", "reports/evidence", "reports/decision.json",
          "reports/model_card.json", "reports/model_card.md", "reports/data_card.json",
          "reports/data_card.md")  # fmt: skip
STATEMENT = "statement.json"
SIGNED = "model.sig"


class Statement(AsGiven):
    """The statement in a signed folder: which version of which model the files belong to."""

    schema_version: Literal[1] = 1
    name: str
    version: int
    commit: str
    model: str
    data: str
    policy: str
    decision: str
    engine: str | None = Field(default=None, description="digest of the engine that measured")
    engine_version: str | None = None

    def subject(self) -> dict[str, str]:
        """Return the digests, as ledger events and tags record them.

        Statements by engines before 0.2 name no engine, and neither do their events.
        """
        return self.model_dump(mode="json", exclude={"schema_version", "version"})


def build(scratch: Path, folder: Path) -> None:
    """Copy the model and its records from `scratch`, where they were measured, to a new folder."""
    mlflow_model.write(scratch / model_file.PATH, folder)
    for name in SEALED:
        if name == POLICY and not (scratch / name).exists():
            continue  # engine 0.1 has the policy in `params.yaml`
        target = folder / RECORDS / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (scratch / name).is_dir() else shutil.copyfile
        copy(scratch / name, target)


def state(folder: Path, statement: Statement, signature: Path, key: Path) -> None:
    """Add the statement to a folder, then sign all files."""
    write_json(folder / RECORDS / STATEMENT, statement.model_dump(mode="json"))
    signature.parent.mkdir(parents=True, exist_ok=True)
    signing.sign(folder, signature, key)


class Checked:
    """The files of a version, after every check."""

    def __init__(self, folder: Path, statement: Statement) -> None:
        """Wrap a folder that was checked."""
        self.folder, self.statement = folder, statement
        self.records = folder / RECORDS

    @property
    def model(self) -> Path:
        """Return the path of the model file."""
        return self.folder / "model.skops"

    def params(self) -> Params:
        """Return the configuration that the model was trained with."""
        return parse(read_raw(self.records / PARAMS), PARAMS)

    def evidence(self) -> Collected:
        """Return the evidence that was recomputed at registration."""
        return collect(self.records)


def fetch(registry: Registry, version: Version, approvers: Approvers, target: Path) -> Checked:
    """Download a version's files; check them against signature, statement, ledger and model digest.

    Raise `Problem` if anything differs. The version's event in the ledger names the MLflow run, the
    signature's digest, and the day on which the key had to be valid. A stolen key is removed from
    the approvers file, which makes its signatures invalid.
    """
    registered = version.entries[0].event
    number, details, day = version.number, registered.details, registered.moment.date()
    try:
        folder = registry.download(version.run_id, BUNDLE, target)
        signature = registry.download(version.run_id, SIGNATURE, target) / SIGNED
        if not signature.is_file():
            raise Problem("the model is not signed", 1)
        if file_digest(signature) != details.get("signature"):
            raise Problem("its signature is not the one that the ledger names", 1)
        signing.verify(folder, signature, approvers, day)
        statement = _statement(folder)
        if statement.version != number or statement.subject() != version.subject:
            raise Problem(
                "the signed statement is about another version, or has other digests than the "
                "ledger: the files in MLflow may have been replaced; restore them from a backup, "
                "or register the model again",
                1,
            )
        found = model_file.digest(folder / "model.skops")
        if found != statement.model:
            raise Problem(
                f"its model has the digest {found}, but the statement says {statement.model}", 1
            )
    except Problem as problem:
        raise Problem(f"version {number} is refused: {problem}", problem.exit_code) from problem
    return Checked(folder, statement)


def _statement(folder: Path) -> Statement:
    try:
        return Statement.model_validate(read_json(folder / RECORDS / STATEMENT))
    except ValidationError as error:
        raise Problem(f"its statement is not readable: {first_line(error, 120)}", 1) from error

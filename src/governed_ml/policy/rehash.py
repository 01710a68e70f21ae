"""Digests computed by the job `pipeline`, for jobs that judge without the data.

They are valid only for the commit and the workflow run that they name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from governed_ml.core import model_file
from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence import collect, path_of, usable
from governed_ml.core.files import file_digest, read_json, write_json
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.core.repository import head
from governed_ml.policy.gate import Elsewhere, model_here

PATH = Path("reports/rehash.json")


class Rehash(Closed):
    """The content of `reports/rehash.json`."""

    schema_version: Literal[1] = 1
    commit: str
    run: str | None = Field(description="id of the workflow run; None outside of one")
    recomputed: bool = Field(
        description="whether the pipeline ran; else the committed evidence was used"
    )
    files: dict[str, str] = Field(description="path → sha256 of every table and model file")
    model: str = Field(description="canonical digest of the model, or why there is none")
    evidence: dict[str, str] = Field(description="gate → sha256 of its evidence's bytes")

    def elsewhere(self, base: Path) -> Elsewhere:
        """Return the digests for the gates; evidence that changed since then becomes unusable."""
        evidence = collect(base)
        for gate in usable(evidence):
            if self.evidence.get(gate) != file_digest(base / path_of(gate)):
                why = "differs from what the job `pipeline` uploaded; run all jobs again"
                evidence[gate] = Unusable(f"evidence of {gate} {why}")
        model = self.model if self.model.startswith("sha256:") else Unusable(self.model)
        return Elsewhere(evidence, self.files, model, self.recomputed)


def current_run() -> str | None:
    """Return the id of the workflow run that this process belongs to, or None."""
    return os.environ.get("GITHUB_RUN_ID") if os.environ.get("GITHUB_ACTIONS") else None


def read(base: Path) -> Rehash:
    """Read the file; raise `Problem` if it is missing or of another commit or run."""
    try:
        found = Rehash.model_validate(read_json(base / PATH))
    except Problem as problem:
        raise Problem(
            f"{PATH.as_posix()} is missing, because the job `pipeline` did not succeed: fix that "
            "job first"
        ) from problem
    except ValidationError as error:
        raise Problem(
            f"{PATH.as_posix()} is not readable ({first_line(error, 120)}): run all jobs again"
        ) from error
    for what, said, here in (
        ("commit", found.commit, head(base)),
        ("run", found.run, current_run()),
    ):
        if said != here:
            raise Problem(
                f"{PATH.as_posix()} is of {what} {said}, but this is {here}: run all jobs again", 1
            )
    return found


def rehash(base: Path, *, recomputed: bool) -> Rehash:
    """Compute the digests of tables, models and evidence; write and return them.

    If the pipeline did not run (`recomputed` is false), the tables are absent, and their digests
    are taken from the evidence.
    """
    found = usable(collect(base))
    named = {
        path: digest
        for one in found.values()
        for path, digest in one.subject.inputs.items()
        if not path.startswith("reports/")
    }
    if recomputed:
        files = {path: file_digest(base / path) for path in named if (base / path).is_file()}
        if (base / model_file.CHAMPION).is_file():
            files[model_file.CHAMPION.as_posix()] = file_digest(base / model_file.CHAMPION)
        model = str(model_here(base))
    else:
        files = named
        model = next((one.subject.model for one in found.values() if one.subject.model), "none")
    made = Rehash(
        commit=head(base),
        run=current_run(),
        recomputed=recomputed,
        files=dict(sorted(files.items())),
        model=model,
        evidence={gate: file_digest(base / path_of(gate)) for gate in sorted(found)},
    )
    write_json(base / PATH, made.model_dump(mode="json"))
    return made

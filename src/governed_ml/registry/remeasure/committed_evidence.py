"""Compare committed evidence with a new measurement, to find a forged `dvc.lock`."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from governed_ml.core import tables
from governed_ml.core.config.dvc_files import Stage, declared
from governed_ml.core.evidence import AnyEvidence, collect, model_of, path_of
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.core.repository import content, head
from governed_ml.registry.remeasure.recompute import require_same


def require_plain(base: Path) -> None:
    """Raise `Problem` if `dvc.yaml` freezes a stage of the engine or changes its command."""
    from governed_ml.core.code.stage_code import runnable

    asked = declared(base)
    for stage in runnable():
        wanted, found = f"governance stage {stage}", asked.get(stage, Stage(cmd="nothing"))
        elsewhere = f" in {found.wdir}" if "wdir" in found.model_fields_set else ""
        command = f"{found.cmd}{elsewhere}"
        if found.frozen:
            raise Problem(
                f"stage {stage} is frozen, so it measures nothing: remove `frozen` from dvc.yaml", 1
            )
        if command != wanted:
            raise Problem(
                f"stage {stage} runs {command[:80]!r} instead of its own module: set cmd to "
                f"`{wanted}` in dvc.yaml",
                1,
            )


def require_committed(base: Path) -> list[str]:
    """Raise `Problem` if committed evidence differs from this run's; return the compared gates.

    A commit without evidence (the pipeline has not run yet) passes.
    """
    commit, compared = head(base), list[str]()
    for gate, found in collect(base).items():
        raw = content(base, commit, path_of(gate).as_posix())
        if raw is None:
            continue
        if isinstance(found, Unusable):
            raise Problem(
                f"evidence of {gate} is committed, but the pipeline does not produce any: {found}",
                1,
            )
        claimed = _parsed(gate, raw)
        try:
            require_same(gate, claimed, found)
            _require_same_subject(gate, claimed, found)
        except Problem as problem:
            raise Problem(
                f"{problem}; run `uv run dvc repro` and commit what it writes (where machines "
                "differ that much, commit the evidence of this run's artifact)",
                1,
            ) from problem
        compared.append(gate)
    return compared


def _parsed(gate: str, raw: bytes) -> AnyEvidence:
    try:
        return model_of(gate).model_validate_json(raw)
    except ValidationError as error:
        said = first_line(error, 120)
        raise Problem(f"the committed evidence of {gate} breaks its schema: {said}", 1) from error


def _require_same_subject(gate: str, claimed: AnyEvidence, found: AnyEvidence) -> None:
    """Compare the digests of the ingested table and the model; all others follow from these two."""
    raw = tables.RAW.as_posix()
    table = (claimed.subject.inputs.get(raw), found.subject.inputs.get(raw))
    for what, (said, here) in (
        (raw, table),
        ("the model", (claimed.subject.model, found.subject.model)),
    ):
        if said != here:
            raise Problem(
                f"the committed evidence of {gate} is about a different file: {what} was "
                f"{str(said)[:18]}, but the pipeline gives {str(here)[:18]}"
            )

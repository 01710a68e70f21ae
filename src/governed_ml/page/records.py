"""The records that the page shows: evidence, decision, policy, ledger, pipeline.

Each may be replaced by the reason why it could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from governed_ml.core import evidence
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.dvc_files import declared
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import AnyEvidence, Collected
from governed_ml.core.evidence_bodies import ColumnDrift
from governed_ml.core.files import digest_of, read_json
from governed_ml.core.problem import Problem, Unusable, explain_invalid, first_line, required
from governed_ml.ledger import storage
from governed_ml.ledger.events import Entry
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.lineage import pipeline_records, show
from governed_ml.lineage.pipeline_records import RecordedPipeline, Step
from governed_ml.lineage.show import Told
from governed_ml.policy.decision import PATH, Decision
from governed_ml.registry.counted_events import follow_here
from governed_ml.registry.remeasure.recompute import folder_md5

PLOTS = Path("reports/plots")
LATEST = "reports/monitoring/latest.json"
CURVES = {"classification": "roc.csv", "regression": "error_curve.csv"}
Point = tuple[float, float]
Read = TypeVar("Read")


class ShownMeasures(BaseModel):
    """The measurements of a window that the page shows."""

    model_config = ConfigDict(extra="ignore")
    columns: list[ColumnDrift]


class ShownLatest(BaseModel):
    """The last window as written by `governance monitor`: its ledger record and its bins."""

    model_config = ConfigDict(extra="ignore")
    said: dict[str, Any]
    measured: ShownMeasures


@dataclass(frozen=True)
class Records:
    """Everything that the page shows, or why it could not be read."""

    drawn: datetime
    folder: str
    params: Params | Unusable
    decision: Decision | Unusable
    evidence: Collected
    digests: dict[str, str]  # gate → digest of its evidence
    ledger: list[Entry] | Unusable
    life: Lifecycle | Unusable
    pipeline: RecordedPipeline | Unusable
    told: Told | Unusable
    curve: list[Point] | Unusable
    latest: ShownLatest | Unusable
    changed: Sequence[str]  # why the evidence is not about the current files, if that was checked


def gather(
    base: Path,
    running: str = "",
    changed: Sequence[str] = (),
    composed: Params | None = None,
) -> Records:
    """Read the records in a project's folder; `running` is the stage that draws the page."""
    params = composed or attempted(lambda: compose(base / CONF))
    found = evidence.collect(base)
    entries = attempted(lambda: storage.read(base))
    life = attempted(lambda: follow_here(base, required(entries)))
    folder = base.absolute().name
    name = folder if isinstance(params, Unusable) else params.project.name
    pipeline = attempted(lambda: _pipeline(base, name, running))
    return Records(
        drawn=datetime.now(UTC),
        folder=folder,
        params=params,
        decision=attempted(lambda: _decision(base)),
        evidence=found,
        digests={
            gate: digest_of(one.model_dump(mode="json", exclude={"volatile"}))
            for gate, one in evidence.usable(found).items()
        },
        ledger=entries,
        life=life,
        pipeline=pipeline,
        told=attempted(lambda: _told(base, life, pipeline)),
        curve=attempted(lambda: _curve(base, found["evaluate"])),
        latest=attempted(lambda: _latest(base)),
        changed=changed,
    )


def changed(base: Path) -> list[str]:
    """Compute the digests of code, conf/, data and model as the gate does; return what changed."""
    from governed_ml.policy.gate import recheck

    found = evidence.collect(base)
    again = attempted(lambda: recheck(base, compose(base / CONF), found))
    if isinstance(again, Unusable):
        return [again.reason]
    there = evidence.usable(found)
    return [
        why.reason for gate, why in again.items() if isinstance(why, Unusable) and gate in there
    ]


def attempted(read: Callable[[], Read]) -> Read | Unusable:
    """Return what `read` returns, or why it failed, so that the page can be drawn in any case."""
    try:
        return read()
    except Problem as problem:
        return Unusable(str(problem))
    except Exception as error:  # noqa: BLE001 - whatever it is, the page has to say it
        return Unusable(f"{type(error).__name__}: {first_line(error)}")


def _decision(base: Path) -> Decision:
    values = read_json(base / PATH)
    try:
        return Decision.model_validate(values)
    except ValidationError as error:
        raise explain_invalid(error, PATH.as_posix(), values, Decision) from error


def _latest(base: Path) -> ShownLatest:
    if not (base / LATEST).is_file():
        raise Problem(f"{LATEST} is missing; `uv run governance monitor` writes it")
    try:
        return ShownLatest.model_validate(read_json(base / LATEST))
    except (Problem, ValidationError) as error:
        raise Problem(f"{LATEST} is not readable: run `uv run governance monitor`") from error


def _told(base: Path, life: Lifecycle | Unusable, pipeline: RecordedPipeline | Unusable) -> Told:
    there = required(pipeline)
    return show.here(base, required(life), there)


def _pipeline(base: Path, project: str, running: str) -> RecordedPipeline:
    """Return the pipeline, with the running stage added, which DVC locks only after it ended."""
    pipeline = pipeline_records.read(base, project)
    if not running or running in pipeline.steps or pipeline.decision is None:
        return pipeline
    asked = declared(base).get(running)
    inputs = dict.fromkeys(asked.deps if asked else ())
    return replace(pipeline, steps=pipeline.steps | {running: Step(running, inputs, {})})


def _curve(base: Path, evaluated: AnyEvidence | Unusable) -> list[Point]:
    """Return the curve written by `evaluate`, if `dvc.lock` has the file's digest."""
    path = PLOTS / CURVES[required(evaluated).body.task]
    name = path.as_posix()
    if not (base / path).is_file():
        raise Problem(f"{name} is missing: run `uv run dvc repro`")
    if pipeline_records.locked(base, "evaluate").get(PLOTS.as_posix()) != folder_md5(base / PLOTS):
        raise Problem(
            f"{PLOTS.as_posix()} does not match its digest in dvc.lock: run `uv run dvc repro`"
        )
    try:
        lines = (base / path).read_text(encoding="utf-8").splitlines()[1:]
        return [(float(x), float(y)) for x, y in (line.split(",") for line in lines)]
    except (OSError, ValueError) as error:
        raise Problem(f"{name} is not readable: run `uv run dvc repro`") from error

"""The records of a pipeline: `dvc.yaml`, `dvc.lock`, evidence and decision.

A stage counts as done only if, according to the lock, it read what the earlier stages wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from governed_ml.core import evidence, model_file, tables
from governed_ml.core.config.dvc_files import (
    LOCK,
    Item,
    Ran,
    Stage,
    as_written,
    declared,
    lock_of,
    text_of,
)
from governed_ml.core.config.params import parse, read_raw
from governed_ml.core.evidence import AnyEvidence
from governed_ml.core.files import PARAMS, digest_of, file_digest, read_json
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.policy.decision import PATH, Decision
from governed_ml.policy.judge import judge
from governed_ml.registry.remeasure.recompute import is_locked

STOPPED = ".stopped"  # ending of the only rule after a failed stage: `validate.stopped`
INSIDE = {  # folder that a stage writes → the files in it
    "data/split": (tables.TRAIN, tables.TEST),
    "data/sensitive": (tables.SENSITIVE_TRAIN, tables.SENSITIVE_TEST),
}


@dataclass(frozen=True)
class Step:
    """A stage with its inputs and outputs: path → digest (`md5:…` if only DVC records one)."""

    stage: str
    inputs: dict[str, str | None]
    outputs: dict[str, str | None]
    parameters: dict[str, Any] = field(default_factory=dict)
    evidence: AnyEvidence | None = None
    missing: str | None = None  # why expected evidence is missing
    failed: str | None = None  # why it stopped the pipeline

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """Return the start and the end of the stage's run.

        The evidence's time `started` is when the evidence was written, so it is the end.
        """
        if self.evidence is None or not self.evidence.volatile.started:
            return None
        end = datetime.fromisoformat(self.evidence.volatile.started)
        return end - timedelta(seconds=self.evidence.volatile.seconds), end


@dataclass(frozen=True)
class RecordedPipeline:
    """A pipeline: the stages that its records prove, in order."""

    project: str
    steps: dict[str, Step]
    decision: Decision | None
    key: str  # stays the same until something runs again
    lost: tuple[str, ...] = ()  # stages that no record proves, in a pipeline that did not stop
    doubt: str | None = None  # why the decision here is not reported

    @property
    def digests(self) -> dict[str, str | None]:
        """Return path → digest of everything that was read or written."""
        found: dict[str, str | None] = {}
        for step in self.steps.values():
            found |= {path: one for path, one in step.inputs.items() if one or path not in found}
            found |= step.outputs
        return found

    def of(self, gate: str) -> AnyEvidence | None:
        """Return a gate's evidence, or None if the records lack it."""
        return self.steps[gate].evidence if gate in self.steps else None


def read(folder: Path, project: str) -> RecordedPipeline:
    """Read the records in a project's folder, or in a copy of one of its commits."""
    asked, written = declared(folder), _lock_as_written(folder)
    lock = lock_of(written).stages
    decision = _decision(folder)
    failed = _failure(decision)
    raws = {gate: folder / evidence.path_of(gate) for gate in evidence.BODY_OF_GATE}
    made = {gate: file_digest(path) for gate, path in raws.items() if path.is_file()}
    verdict = decision.model_dump(mode="json", exclude={"volatile"}) if decision else None
    key = digest_of([project, written, made, failed, verdict])
    sha = _sha256(folder)
    steps: dict[str, Step] = {}
    for stage in _order(asked):
        if stage in failed:
            steps[stage] = Step(stage, dict.fromkeys(asked[stage].deps), {},
                                failed=failed[stage])  # fmt: skip
        elif stage in lock and _current(stage, asked, lock, failed):
            steps[stage] = _step(folder, stage, lock[stage], sha)
    lost = () if failed else tuple(stage for stage in asked if stage not in steps)
    return RecordedPipeline(project, steps, decision, key, lost)


def honest(folder: Path, pipeline: RecordedPipeline) -> RecordedPipeline:
    """Remove a recorded `allow` from the pipeline unless judging the evidence again allows it."""
    standing = pipeline.decision
    if standing is None or standing.verdict != "allow":
        return pipeline
    try:
        day = date.fromisoformat(str(standing.volatile.get("judged_on")))
        params = parse(read_raw(folder / PARAMS), PARAMS)
        again = judge(params, evidence.collect(folder), day)
    except (Problem, ValueError) as error:
        return replace(
            pipeline, decision=None, doubt=f"it cannot be judged again: {first_line(error)}"
        )
    if standing.lasting() == again.lasting():
        return pipeline
    why = f"{PATH.as_posix()} says allow, but the policy does not allow this evidence"
    return replace(pipeline, decision=None, doubt=why)


def locked(folder: Path, stage: str) -> dict[str, str]:
    """Return path → MD5 of a stage's outputs according to `dvc.lock`; empty if it has no entry."""
    ran = lock_of(_lock_as_written(folder)).stages.get(stage)
    return {} if ran is None else {path: str(md5) for path, md5 in ran.made.items()}


def _lock_as_written(folder: Path) -> dict[str, Any]:
    there = (folder / LOCK).is_file()
    return as_written(text_of(folder / LOCK), LOCK) if there else {}


def _decision(folder: Path) -> Decision | None:
    if not (folder / PATH).is_file():
        return None
    try:
        return Decision.model_validate(read_json(folder / PATH))
    except ValidationError as error:
        said = first_line(error, 120)
        text = f"{PATH.as_posix()} breaks its schema ({said}): run `uv run dvc repro`"
        raise Problem(text, 1) from error


def _failure(decision: Decision | None) -> dict[str, str]:
    """Return {stage: reason} for the stage that stopped the pipeline; empty if none did."""
    rules = decision.rules if decision else []
    found = [rule for rule in rules if rule.id.endswith(STOPPED)]
    return {rule.id.removesuffix(STOPPED): rule.reason for rule in found}


def _before(stage: str, asked: dict[str, Stage]) -> set[str]:
    """Return the stages that a stage depends on, through data or parameters."""
    wanted = {*asked[stage].deps, *asked[stage].params}
    return {
        other
        for other, its in asked.items()
        if other != stage and any(_within(path, out) for out in its.outs for path in wanted)
    }


def _within(path: str, out: str) -> bool:
    return path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/")


def _order(asked: dict[str, Stage]) -> list[str]:
    """Return the stages in an order in which each follows the stages it depends on."""
    from graphlib import CycleError, TopologicalSorter

    try:
        graph = {stage: sorted(_before(stage, asked)) for stage in asked}
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise Problem("dvc.yaml: stages read from each other in a circle: fix it") from error


def _current(
    stage: str, asked: dict[str, Stage], lock: dict[str, Ran], failed: dict[str, str]
) -> bool:
    """Return whether a stage and all stages before it read the latest outputs."""
    if stage in failed or stage not in lock:
        return False
    made = {path: md5 for one in lock.values() for path, md5 in one.made.items()}
    fresh = all(made[dep.path] == dep.md5 for dep in lock[stage].deps if dep.path in made)
    return fresh and all(_current(one, asked, lock, failed) for one in _before(stage, asked))


def _sha256(folder: Path) -> dict[str, str]:
    """Return path → SHA-256 according to the evidence.

    For the model, it is the digest of the canonical content.
    """
    found: dict[str, str] = {}
    for one in evidence.usable(evidence.collect(folder)).values():
        model = {model_file.PATH.as_posix(): one.subject.model} if one.subject.model else {}
        found |= one.subject.inputs | model
    return found


def _step(folder: Path, stage: str, ran: Ran, sha: dict[str, str]) -> Step:
    outputs = _paths(ran.outs, sha)
    found, why = None, None
    if evidence.path_of(stage).as_posix() in outputs:
        told = _evidence(folder, stage, ran)
        found, why = (None, told.reason) if isinstance(told, Unusable) else (told, None)
    inputs = _paths(ran.deps, sha)
    if found is not None:  # DVC records the folder, the evidence the files that were read
        inside = {path.as_posix() for parts in INSIDE.values() for path in parts}
        unread = inside - found.subject.inputs.keys()
        inputs = {path: one for path, one in inputs.items() if path not in unread}
    return Step(stage, inputs, outputs, ran.params, found, why)


def _evidence(folder: Path, stage: str, ran: Ran) -> AnyEvidence | Unusable:
    """Return a stage's evidence, or why it cannot be used; it must be the file in the lock."""
    path = evidence.path_of(stage)
    try:
        found = evidence.load(stage, folder)
    except (Problem, KeyError) as problem:
        return Unusable(str(problem))
    lock = {path: str(md5) for path, md5 in ran.made.items()}
    if not is_locked(folder / path, path, lock):
        said = f"{path.as_posix()} does not match its digest in dvc.lock"
        said += f": run `uv run dvc repro {stage}`"
        return Unusable(said)
    return found


def _paths(listed: list[Item], sha: dict[str, str]) -> dict[str, str | None]:
    """Return path → digest; a folder is replaced by the known files in it."""
    found: dict[str, str | None] = {}
    for one in listed:
        md5 = f"md5:{one.md5}" if one.md5 else None
        inside = [part.as_posix() for part in INSIDE.get(one.path, ())]
        for name in inside or [one.path]:
            evident = name.startswith("reports/evidence/")  # has another digest in evidence
            found[name] = md5 if evident else sha.get(name, md5)
    return found

"""Evidence: what a stage measured, and the digests of what it measured; no verdict, no rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import models_json_schema

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence_bodies import BODY_OF_GATE, Body
from governed_ml.core.files import digest_of, file_digest, read_json, write_json
from governed_ml.core.problem import Problem, Unusable

FOLDER = Path("reports/evidence")
SAME_CLASS = "the model predicts the same class for every row: its decision does not vary"
SAME_DECISION = (
    "nobody is selected: the decision does not vary",
    "the model selects every row: its decision does not vary",
    SAME_CLASS,
)
"""How a metric's note starts if the model decides the same for every row: no, yes, or one class."""
NO_ORDER = "a category has no order, and this distance needs one"
"""The note of a metric that only numbers can have."""
NOT_COMPARED = "cannot be compared between groups"
"""How a metric's note ends if its rate is 0 or 1 in every group."""
Timing = Literal["latency_p50_ms", "latency_p95_ms"]
"""Metrics that are times: they differ in every run, so they are volatile, and rules can judge them.
"""


class Strict(Closed):
    """A closed model that coerces no value: text is never read as a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Metric(Strict):
    """A finite number, or `null` with the reason why it could not be measured."""

    value: FiniteFloat | None = Field(description="the number; null if it could not be computed")
    lower: FiniteFloat | None = Field(default=None, description="lower confidence bound")
    upper: FiniteFloat | None = Field(default=None, description="upper confidence bound")
    n: int | None = Field(
        default=None,
        ge=0,
        description="number of rows behind the value; of several groups, of the smallest",
    )
    note: str = Field(
        default="",
        description="why the value is null, or which column or groups have the extreme value",
    )

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the lower and upper bound, or None if the metric has no interval."""
        return None if self.lower is None or self.upper is None else (self.lower, self.upper)

    @model_validator(mode="after")
    def _honest(self) -> Self:
        if self.value is None and not self.note:
            raise ValueError("a null needs a reason in note")
        if (self.lower is None) != (self.upper is None):
            raise ValueError("lower and upper come together")
        if self.interval is None:
            return self
        lower, upper = self.interval
        if lower > upper:
            raise ValueError("lower is above upper")
        if self.value is not None:
            slack = 1e-9 * max(1.0, abs(self.value))
            if not lower - slack <= self.value <= upper + slack:
                raise ValueError("value lies outside its own bounds")
        return self


class Finding(Strict):
    """A result that a person should read: its kind, the column or group, and its size."""

    what: str = Field(description="what was found")
    where: str = Field(description="the column, group or table")
    value: FiniteFloat | None = Field(default=None, description="how much")


class EngineRef(Strict):
    """An engine, identified by its version and the digest of its files."""

    version: str = Field(description="the version of the engine")
    digest: str = Field(description="the digest of its files")


class ByEngine(Closed):
    """Base class of records that name the engine that wrote them.

    Records of engines before 0.2 lack this field. It is left out of their dump, so that their
    digest stays the same.
    """

    engine: EngineRef | None = Field(default=None, description="the engine that did the work")

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {name: one for name, one in values.items() if name != "engine" or one is not None}


class Subject(ByEngine, Strict):
    """Digests of what was measured (model, data) and how (code, policy, configuration, engine)."""

    inputs: dict[str, str] = Field(
        min_length=1, description="path → sha256 of the bytes of every input"
    )
    code: str = Field(
        description="digest of the stage's module, all that it imports, and their templates"
    )
    config: str = Field(description="digest of the configuration sections that the stage reads")
    model: str | None = Field(
        default=None, description="canonical model digest, where a model was used"
    )


class Volatile(Strict):
    """Fields that may differ between two runs of the same commit. No digest covers them."""

    started: str = Field(default="", description="when the stage started")
    seconds: FiniteFloat = Field(default=0.0, description="how long the stage ran")
    commit: str | None = Field(default=None, description="the commit that was checked out")
    dirty: bool | None = Field(
        default=None, description="whether tracked files differed from that commit"
    )
    notes: dict[str, str | float | int | None] = Field(
        default_factory=dict, description="further facts about the run, such as its id in MLflow"
    )
    timings: dict[Timing, Metric] = Field(
        default_factory=dict, description="name → metric, for times: they differ in every run"
    )


BodyT = TypeVar("BodyT", bound=Body)


class Evidence(Strict, Generic[BodyT]):
    """The content of one file under `reports/evidence/`."""

    schema_version: Literal[1] = Field(default=1, description="the version of this format")
    gate: str = Field(description="the stage that wrote the file")
    subject: Subject = Field(description="what was measured, and what measured it")
    tools: dict[str, str] = Field(description="library → version")
    metrics: dict[str, Metric] = Field(description="name → metric")
    findings: list[Finding] = Field(description="what a person should read")
    body: BodyT = Field(description="the part that differs from stage to stage")
    volatile: Volatile = Field(description="what may differ between two runs of one commit")

    def judged(self) -> dict[str, Metric]:
        """Return every metric that a rule can name, times included."""
        return {**self.volatile.timings, **self.metrics}


AnyEvidence = Evidence[Any]
Collected = Mapping[str, AnyEvidence | Unusable]
"""Gate → its evidence, or the reason why it cannot be used."""


def path_of(gate: str) -> Path:
    """Return the path of a gate's evidence, relative to the project's root."""
    return FOLDER / f"{gate}.json"


def model_of(gate: str) -> type[AnyEvidence]:
    """Return the Pydantic model that validates a gate's evidence."""
    return Evidence[BODY_OF_GATE[gate]]


def load(gate: str, base: Path = Path()) -> AnyEvidence:
    """Read a gate's evidence and validate it. Raise `Problem` if it is missing or invalid."""
    path = base / path_of(gate)
    read_json(path)  # raises a readable Problem if the file is missing or truncated
    try:
        evidence = model_of(gate).model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise Problem(
            f"{path_of(gate).as_posix()} breaks its schema at {key}: {first['msg']}; run `uv "
            "run dvc repro`"
        ) from error
    if evidence.gate != gate:
        raise Problem(
            f"{path_of(gate).as_posix()} is evidence of {evidence.gate!r}, not of {gate!r}: "
            "run `uv run dvc repro`"
        )
    return evidence


def save(evidence: AnyEvidence) -> None:
    """Write evidence atomically, after validating it in the same way as `load`."""
    model = model_of(evidence.gate)
    content = evidence.model_dump(mode="json")
    try:
        model.model_validate_json(evidence.model_dump_json())
    except ValidationError as error:
        first = error.errors()[0]
        raise Problem(
            f"stage {evidence.gate} made invalid evidence ({first['msg']} at {first['loc']}): "
            "report this as a bug of the engine (governed-ml)"
        ) from error
    write_json(path_of(evidence.gate), content)


def digest(gate: str, base: Path = Path()) -> str:
    """Return the digest of a gate's evidence without its volatile part."""
    return digest_of(load(gate, base).model_dump(mode="json", exclude={"volatile"}))


def input_digest(path: Path, base: Path = Path()) -> str:
    """Return a file's digest. For evidence, the volatile part is left out."""
    if path.parent == FOLDER:
        return digest(path.stem, base)
    return file_digest(base / path)


def collect(base: Path) -> dict[str, AnyEvidence | Unusable]:
    """Return, for each gate, its validated evidence, or the reason why it cannot be used."""
    found: dict[str, AnyEvidence | Unusable] = {}
    for gate in BODY_OF_GATE:
        try:
            found[gate] = load(gate, base)
        except Problem as problem:
            found[gate] = Unusable(str(problem))
    return found


def usable(evidence: Collected) -> dict[str, AnyEvidence]:
    """Return only the evidence that could be read, without the gates whose evidence is unusable."""
    return {gate: one for gate, one in evidence.items() if not isinstance(one, Unusable)}


def json_schema() -> dict[str, Any]:
    """Return one JSON Schema for all evidence: a common header, and a closed body for each gate."""
    names, schema = models_json_schema([(model_of(gate), "validation") for gate in BODY_OF_GATE])
    for gate in BODY_OF_GATE:
        definition = schema["$defs"][names[model_of(gate), "validation"]["$ref"].rpartition("/")[2]]
        definition["properties"]["gate"] = {"const": gate}
    options = [names[model_of(gate), "validation"] for gate in BODY_OF_GATE]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "oneOf": options, **schema}

"""The closed body of each gate's evidence: aggregates that reports draw from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Number = FiniteFloat | None
ColumnKind = Literal["integer", "decimal", "boolean", "category", "code", "date"]
"""What `ingest` decides that a column is."""


class Body(BaseModel):
    """A closed, strict part of an evidence file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Column(Body):
    """A column as it was decided at `ingest`, and as every later table is read.

    Engine 0.2 wrote name and type only, and its evidence keeps its digest.
    """

    name: str
    type: str = Field(description="in the Parquet table: BIGINT, DOUBLE, VARCHAR or TIMESTAMP")
    kind: ColumnKind | None = Field(
        default=None, description="integer, decimal, boolean, category, code or date"
    )
    format: str | None = Field(default=None, description="how dates are written")
    values: list[str] | None = Field(
        default=None,
        description="a category's values as written; of fewer than 10 rows, the start of a SHA-256",
    )

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class IngestBody(Body):
    """Where the table came from."""

    source: str
    uri: str
    sha256: str | None
    rows: int
    columns: list[Column]
    faults: list[str]


class Expectation(Body):
    """One expectation's outcome, as counts and text; never a row of data."""

    type: str
    column: str | None
    limits: str
    success: bool
    observed: str
    unexpected_count: int | None
    unexpected_percent: Number


class ValidateBody(Body):
    """The data contract's result."""

    contract: str
    contract_digest: str
    rows: int
    columns: int
    expectations: list[Expectation]


class SplitBody(Body):
    """What is a feature, what is not, and how rows were divided."""

    kind: str
    rows: dict[str, int]
    numeric: list[str]
    categorical: list[str]
    sensitive: dict[str, dict[str, int]]
    cut: str | None
    person: str | None = Field(default=None, description="the column that says whose a row is")

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keep the digest of evidence that an earlier engine wrote, and that names no person."""
        found = handler(self)
        return found if self.person else {k: v for k, v in found.items() if k != "person"}


class Mitigation(Body):
    """How a model was made fairer, and which of those that were tried was kept."""

    method: str
    constraint: str
    attributes: list[str]
    tried: int
    chosen: int
    training_violation: FiniteFloat = Field(description="of the constraint, in the training rows")


class TrainBody(Body):
    """What was fitted."""

    model: str
    estimator: str
    parameters: dict[str, str | int | float | bool | None]
    rows: int
    features: int
    numeric: list[str]
    categorical: list[str]
    mitigation: Mitigation | None = None


class Bin(Body):
    """One bin of a reliability (calibration) table."""

    n: int
    predicted: Number
    observed: Number


class EvaluateBody(Body):
    """Performance on the test rows."""

    task: str
    rows: int
    confusion: dict[str, int]
    calibration: list[Bin]
    champion: str | None
    leaks: dict[str, Number]


class ColumnDrift(Body):
    """One column against its frozen training reference; shares per bin, in the order of `bins`."""

    name: str
    kind: str
    bins: list[str]
    reference: list[FiniteFloat]
    current: list[FiniteFloat]
    edges: list[FiniteFloat] = Field(
        description="numeric: minimum, inner edges, maximum; or the values, one bin each"
    )
    population_stability_index: Number
    jensen_shannon_distance: Number


class DriftBody(Body):
    """Drift of data and predictions, training reference against test rows."""

    reference_rows: int
    current_rows: int
    share_floor: FiniteFloat = Field(
        description="the least share that a bin counts with in the population stability index"
    )
    columns: list[ColumnDrift]


class Group(Body):
    """One group's counts and rates (regression: means)."""

    name: str
    n: int
    counts: dict[str, int]
    rates: dict[str, Number]


class Attribute(Body):
    """The groups of one sensitive attribute or intersection."""

    name: str
    columns: list[str]
    groups: list[Group]


class Proxy(Body):
    """How well the features predict one sensitive attribute."""

    attribute: str
    score: Number
    carriers: dict[str, FiniteFloat]


class FairnessBody(Body):
    """Fairness by attribute and intersection."""

    task: str
    confidence: FiniteFloat
    attributes: list[Attribute]
    proxies: list[Proxy]


class ExplainBody(Body):
    """What moves the model's output."""

    method: str
    output: str
    rows: int
    importance: dict[str, FiniteFloat]


BODY_OF_GATE: dict[str, type[Body]] = {
    "ingest": IngestBody,
    "validate": ValidateBody,
    "split": SplitBody,
    "train": TrainBody,
    "evaluate": EvaluateBody,
    "drift": DriftBody,
    "fairness": FairnessBody,
    "explain": ExplainBody,
}
"""Gate → the body of its evidence, in the pipeline's order."""

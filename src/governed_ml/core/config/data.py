"""`conf/data` and `conf/split`: one table, what its columns mean, how its rows are divided."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from governed_ml.core.config.closed_model import Closed, Count, Number, Scalar, Task


class Source(Closed):
    """Where the table comes from: a file or URL, a database, OpenML, the team's code, the book."""

    kind: Literal["file", "sql", "openml", "synthetic", "team"]
    path: str | None = Field(
        default=None, description="file: CSV, Parquet or JSON; a path or a URL"
    )
    delimiter: str | None = Field(
        default=None, description="file: CSV delimiter; by default detected"
    )
    missing: list[str] = Field(default=[""], description="file: texts that mean a missing value")
    url: str | None = Field(
        default=None,
        description="sql: a SQLAlchemy URL, or the NAME of an environment variable as env:NAME",
    )
    query: str | None = Field(default=None, description="sql: the SELECT statement")
    openml_id: int | None = Field(default=None, description="openml: the data set's number")
    rows: Count | None = Field(default=None, description="synthetic: number of rows")
    faults: list[str] = Field(default=[], description="synthetic: named faults to switch on")
    function: str | None = Field(
        default=None, pattern="^[a-z_][a-z0-9_]*$", description="team: a function of sources.py"
    )
    options: dict[str, Any] = Field(
        default={}, description="team: what the function is called with"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {
            "file": ["path"],
            "sql": ["url", "query"],
            "openml": ["openml_id"],
            "synthetic": ["rows"],
            "team": ["function"],
        }
        lost = [name for name in needs[self.kind] if getattr(self, name) in (None, "")]
        if lost:
            raise ValueError(f"source.kind {self.kind} needs {' and '.join(lost)}")
        if self.kind != "team" and (self.function or self.options):
            raise ValueError(f"source.kind {self.kind} takes no function or options")
        return self


def _code(key: object) -> object:
    """Return a whole number as text: `labels: {1: male}` is what people write."""
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else key


Code = Annotated[str, BeforeValidator(_code)]


class Sensitive(Closed):
    """How one sensitive attribute becomes groups: as it is, in numeric bins, or relabelled."""

    bins: list[Number] | None = Field(
        default=None, min_length=1, description="inner edges; a value equal to an edge goes right"
    )
    labels: dict[Code, str] | None = Field(
        default=None, description="code in the table → name of the group"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.bins is not None and self.labels is not None:
            raise ValueError("give either bins or labels")
        if self.bins is not None and len(set(self.bins)) < len(self.bins):
            raise ValueError("an edge is there twice in bins")
        return self


class Data(Closed):
    """One table and what its columns mean."""

    name: str
    task: Task
    source: Source
    target: str
    positive: Scalar = Field(
        default=None, description="classification: the target's favourable value"
    )
    sensitive: dict[str, Sensitive] = Field(default={})
    no_sensitive_reason: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        default="", description="why there is no sensitive attribute to name"
    )
    drop: list[str] = Field(default=[], description="columns that are no features (keys, weights)")
    proxies: list[str] = Field(
        default=[], description="columns that stand in for a sensitive attribute: no features"
    )
    categorical: list[str] = Field(default=[], description="numeric codes that are categories")
    time: str | None = None
    group: str | None = None
    contract: str = Field(description="the Great Expectations suite")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task == "classification" and self.positive is None:
            raise ValueError("positive is missing: name the target's favourable value")
        roles = [self.target, *self.sensitive, *self.drop]
        twice = sorted({name for name in roles if roles.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles among target, sensitive and drop")
        return self


class Split(Closed):
    """How rows are divided: random (stratified), by group, or by time."""

    kind: Literal["random", "group", "time"]
    test_share: Number = Field(gt=0, lt=1)

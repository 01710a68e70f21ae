"""`conf/data` and `conf/split`: the table, what its columns mean, and how its rows are divided."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from governed_ml.core.config.classes import require_classes
from governed_ml.core.config.closed_model import (
    Answered,
    Closed,
    Count,
    Number,
    Scalar,
    Task,
    as_code,
)


class Source(Answered):
    """Where the table comes from, for example a file, a URL, a database or the team's code."""

    kind: Literal["file", "sql", "openml", "synthetic", "team"] = Field(
        description="where the table comes from; each kind has its own keys, below"
    )
    path: str | None = Field(
        default=None,
        description=(
            "file: CSV, JSON, Parquet, Arrow or Excel, also packed; a path, a folder of files with "
            "the same columns, or a URL"
        ),
    )
    delimiter: str | None = Field(
        default=None, description="file: CSV delimiter; by default detected"
    )
    encoding: str | None = Field(
        default=None, description="file: how a CSV that is not UTF-8 is encoded, as cp1252"
    )
    sheet: str | None = Field(default=None, description="file: the sheet of an Excel workbook")
    missing: list[str] = Field(default=[""], description="file: texts that mean a missing value")
    decimal: Literal[".", ","] = Field(
        default=".", description="the decimal mark of numbers that are written as text"
    )
    thousands: Literal["", ",", ".", " ", "'"] = Field(
        default="", description="the thousands separator of numbers that are written as text"
    )
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
    options: dict[str, Any] = Field(default={}, description="team: the function's arguments")

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
        if self.decimal == self.thousands:
            raise ValueError(
                "source.decimal and source.thousands are the same: give two different marks"
            )
        if self.kind != "team" and (self.function or self.options):
            raise ValueError(f"source.kind {self.kind} takes no function or options")
        return self


def _code(key: object) -> object:
    """Return a whole-number key as text, because people write `labels: {1: male}`."""
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else key


Code = Annotated[str, BeforeValidator(_code)]


MISSING = "missing"
"""The group of the rows without a value."""


class Sensitive(Closed):
    """How the values of one sensitive attribute become groups: unchanged, binned, or relabelled.

    Several codes with the same label are one group.
    """

    bins: list[Number] | None = Field(
        default=None, min_length=1, description="inner edges; a value equal to an edge goes right"
    )
    labels: dict[Code, str] | None = Field(
        default=None,
        description=(
            "code in the table, bin (as `<25`), or `missing` for rows without a value → name of "
            "the group"
        ),
    )

    @property
    def edges(self) -> list[float]:
        """Return the edges of the bins, sorted."""
        return sorted(self.bins or [])

    @property
    def bin_names(self) -> list[str]:
        """Return the names of the bins, the lowest first."""
        edges = self.edges
        inner = [f"{a:g}-{b:g}" for a, b in pairwise(edges)]
        return [f"<{edges[0]:g}", *inner, f">={edges[-1]:g}"] if edges else []

    def label(self, group: str) -> str:
        """Return the name of the group that a code, a bin or `missing` belongs to."""
        return (self.labels or {}).get(group, group)

    @model_validator(mode="after")
    def _right(self) -> Self:
        if self.bins is not None and len(set(self.bins)) < len(self.bins):
            raise ValueError("bins has the same edge twice: remove one")
        known = [*self.bin_names, MISSING]
        unknown = [name for name in self.labels or {} if self.bins and name not in known]
        if unknown:
            raise ValueError(
                f"labels names {unknown[0]!r}, but with bins the groups are {', '.join(known)}: "
                "name one of them"
            )
        return self


class Data(Answered):
    """One table and the meaning of its columns."""

    other_answers = ("rows",)  # a source has a field of this name, too

    name: str = Field(description="the name of the table; by convention that of the file")
    task: Task = Field(
        description="classification (yes or no, or one of several classes) or regression (a number)"
    )
    source: Source = Field(description="where the table comes from")
    target: str = Field(description="the column that the model predicts")
    positive: Scalar = Field(
        default=None, description="classification: the target's favourable value"
    )
    against: Literal["rest"] | None = Field(
        default=None,
        description="`rest`: the favourable value is predicted against all others, of which there "
        "are two or more",
    )
    classes: list[Scalar] | None = Field(
        default=None,
        description="classification, in place of `positive`: the target's values, three or more, "
        "each of which is predicted",
    )
    rows: str | None = Field(
        default=None, description="only rows for which this condition holds, as `age >= 18`"
    )
    drop_unlabelled: bool = Field(default=False, description="leave out rows without a target")
    sensitive: dict[str, Sensitive] = Field(
        default={},
        description="sensitive attribute → how it becomes groups; `{}`: its values are the groups",
    )
    no_sensitive_reason: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        default="", description="why there is no sensitive attribute to name"
    )
    drop: list[str] = Field(default=[], description="columns that are no features (keys, weights)")
    proxies: list[str] = Field(
        default=[], description="columns that stand in for a sensitive attribute; no features"
    )
    categorical: list[str] = Field(default=[], description="numeric codes that are categories")
    numeric: list[str] = Field(
        default=[], description="columns of numbers, even if their texts look like codes"
    )
    dates: dict[str, str] = Field(
        default={}, description="column → how its dates are written, as %d/%m/%Y"
    )
    spellings: dict[str, dict[Code, Code]] = Field(
        default={}, description="column → value as written → value as meant"
    )
    distinct: list[str] = Field(
        default=[], description="columns in which case, blanks and punctuation distinguish values"
    )
    time: str | None = Field(default=None, description="the column with the time of each row")
    group: str | None = Field(
        default=None,
        description="the column that identifies the person or household of each row",
    )
    contract: str = Field(description="the Great Expectations suite")
    prediction_contract: str | None = Field(
        default=None,
        min_length=1,
        description="a second suite, about features, `prediction` and `score` of the test rows",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task == "classification" and self.positive is None and self.classes is None:
            raise ValueError(
                "positive is missing: name the target's favourable value, or list three or more "
                "values under classes"
            )
        if self.classes is not None:
            others = {"positive": self.positive, "against": self.against}
            require_classes(self.classes, self.task, others)
        roles = [self.target, *self.sensitive, *self.drop]
        twice = sorted({name for name in roles if roles.count(name) > 1})
        if twice:
            raise ValueError(
                f"column {twice[0]!r} is in more than one of target, sensitive and drop: keep one"
            )
        both = sorted({*self.numeric} & {*self.categorical})
        if both:
            raise ValueError(
                f"column {both[0]!r} is listed both under numeric and under categorical: keep one"
            )
        return self

    @property
    def multiclass(self) -> bool:
        """Return whether the model chooses among three or more classes."""
        return self.classes is not None

    @property
    def class_names(self) -> list[str]:
        """Return the classes as text, by position; empty unless there are three or more."""
        return [as_code(one) for one in self.classes or []]

    @property
    def codes(self) -> set[str]:
        """Return the columns whose values are names, even if they look like numbers."""
        groups = [name for name, how in self.sensitive.items() if not how.bins]
        target = [self.target] if self.task == "classification" else []
        return {*self.categorical, *groups, *target, *([self.group] if self.group else [])}

"""The body of `ingest`'s evidence, and what a reader must know of a table in words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from governed_ml.core.bodies.closed_body import Body, Grown

NAMED = 8
"""Most classes that a sentence lists."""
ColumnKind = Literal["integer", "decimal", "boolean", "category", "code", "date"]
"""The kinds of column that `ingest` distinguishes."""


class Column(Grown):
    """The name, type and kind of a column as `ingest` decided. Later tables are read accordingly.

    Engine 0.2 wrote only name and type.
    """

    LATER = ("kind", "format", "values")

    name: str = Field(description="the name of the column")
    type: str = Field(description="in the Parquet table: BIGINT, DOUBLE, VARCHAR or TIMESTAMP")
    kind: ColumnKind | None = Field(
        default=None, description="integer, decimal, boolean, category, code or date"
    )
    format: str | None = Field(
        default=None, description="how dates are written, or the sign or unit of numbers"
    )
    values: list[str] | None = Field(
        default=None,
        description="a category's values; one with fewer than 10 rows as the start of its SHA-256",
    )


class LeftOut(Body):
    """Rows of the source that are not in the table, because `conf/data` leaves them out."""

    rows_read: int = Field(description="number of rows of the source")
    condition: str | None = Field(description="the condition for rows that are kept, if any")
    outside: int = Field(description="rows for which the condition does not hold")
    unknown: int = Field(description="those of them for which a missing value makes it unknown")
    unlabelled: int = Field(description="rows that were left out because the target is missing")


class AgainstRest(Body):
    """The favourable value that is predicted against two or more other values."""

    target: str = Field(description="the column that the model predicts")
    positive: str = Field(description="the favourable value of the target")
    others: int = Field(description="number of other values")


class TargetClass(Body):
    """One class of a target that has three or more."""

    name: str = Field(description="the value of the target")
    rows: int = Field(description="number of rows")


class TargetClasses(Body):
    """The classes of which one is predicted."""

    target: str = Field(description="the column that the model predicts")
    values: list[TargetClass] = Field(description="the classes, in the order of `conf/data`")


class IngestBody(Grown):
    """Where the table came from."""

    LATER = ("left_out", "against_rest", "classes")

    source: str = Field(description="the kind of the source")
    uri: str = Field(description="path, URL or name of the source, without passwords")
    sha256: str | None = Field(description="the digest of the source; null if it is no file")
    rows: int = Field(description="number of rows")
    columns: list[Column] = Field(description="the columns, in order")
    faults: list[str] = Field(description="faults of the synthetic data that were switched on")
    left_out: LeftOut | None = Field(
        default=None, description="rows that `conf/data` leaves out, if it does"
    )
    against_rest: AgainstRest | None = Field(
        default=None, description="set if one value is predicted against several others"
    )
    classes: TargetClasses | None = Field(
        default=None, description="set if `conf/data` lists three or more classes"
    )


def left_out(found: LeftOut) -> str:
    """Return in a few words which rows were left out."""
    parts: list[str] = []
    if found.condition is not None:
        unknown = f", {found.unknown:,} of them with a missing value" if found.unknown else ""
        parts.append(f"{found.outside:,} outside the condition {found.condition}{unknown}")
    if found.unlabelled:
        parts.append(f"{found.unlabelled:,} without a label")
    detail = f" ({'; '.join(parts)})" if parts else ""
    left = found.outside + found.unlabelled
    return f"{left:,} of {found.rows_read:,} rows of the source are left out{detail}"


def against_rest(found: AgainstRest) -> str:
    """Return in a few words what is predicted."""
    return f"{found.target} = {found.positive!r} against all other values ({found.others:,} values)"


def one_of(found: TargetClasses) -> str:
    """Return in a few words what is predicted, and which class has the fewest rows."""
    rarest = min(found.values, key=lambda one: one.rows)
    names = ", ".join(repr(one.name) for one in found.values[:NAMED])
    more = len(found.values) - NAMED
    names += f" and {more} more" if more > 0 else ""
    return (
        f"{found.target}, one of {len(found.values)} classes ({names}); the rarest is "
        f"{rarest.name!r} with {rarest.rows:,} rows"
    )


def class_names(body: IngestBody) -> list[str]:
    """Return the classes of a target that has three or more, by position."""
    return [one.name for one in body.classes.values] if body.classes else []


def about(body: IngestBody) -> dict[str, str]:
    """Return what a reader must know of a table, which is nothing for most tables."""
    said = {"predicts": against_rest(body.against_rest)} if body.against_rest else {}
    said |= {"predicts": one_of(body.classes)} if body.classes else {}
    return said | ({"rows": left_out(body.left_out)} if body.left_out else {})

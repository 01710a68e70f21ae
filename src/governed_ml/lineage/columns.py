"""The columns of the pipeline's tables and where each came from, derived from the evidence."""

from __future__ import annotations

from typing import NamedTuple

from governed_ml.core import tables
from governed_ml.core.files import PARAMS
from governed_ml.lineage.pipeline_records import RecordedPipeline

SAME, CHANGED = "IDENTITY", "TRANSFORMATION"
PARTS = {
    "train": (tables.TRAIN, tables.SENSITIVE_TRAIN),
    "test": (tables.TEST, tables.SENSITIVE_TEST),
}


class Table(NamedTuple):
    """A table's columns with their types, and its number of rows."""

    columns: dict[str, str]
    rows: int


class SourceColumn(NamedTuple):
    """A column that another column was derived from."""

    namespace: str
    table: str
    column: str
    kind: str


def schema(pipeline: RecordedPipeline, path: str) -> Table | None:
    """Return the columns of a table, or None if the evidence does not record them."""
    ingest, split = pipeline.of("ingest"), pipeline.of("split")
    if path == tables.RAW.as_posix() and ingest is not None:
        return Table({one.name: one.type for one in ingest.body.columns}, ingest.body.rows)
    if split is None:
        return None
    row, regression = {tables.ROW: "BIGINT"}, _regression(pipeline)
    target = {tables.TARGET: "DOUBLE" if regression else "BIGINT"}
    for part, (features, sensitive) in PARTS.items():
        if path == features.as_posix():
            kinds = dict.fromkeys(split.body.numeric, "DOUBLE")
            kinds |= dict.fromkeys(split.body.categorical, "VARCHAR")
            return Table(row | kinds | target, split.body.rows[part])
        if path == sensitive.as_posix():
            groups = dict.fromkeys(split.body.sensitive, "VARCHAR")
            return Table(row | groups, split.body.rows[part])
    if path == tables.PREDICTIONS.as_posix():
        own = {"part": "VARCHAR", "score": "DOUBLE", "prediction": target[tables.TARGET]}
        own |= dict.fromkeys(_by_class(split.body.classes), "DOUBLE")
        return Table(row | target | own, split.body.whole)
    return None


def place(pipeline: RecordedPipeline, uri: str) -> tuple[str, str]:
    """Return the OpenLineage namespace and name of a data source.

    The namespace is a server, the scheme of a file database, or the project for a relative path.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return pipeline.project, uri
    server, _, path = rest.partition("/")
    if not server:  # `sqlite:///data/source/loans.db`
        return scheme, path or "/"
    return f"{scheme}://{server}", f"/{path}"


def mapped(pipeline: RecordedPipeline, path: str) -> dict[str, list[SourceColumn]]:
    """Return column → the columns that it was derived from, as far as the evidence records them."""
    ingest, split = pipeline.of("ingest"), pipeline.of("split")
    raw = tables.RAW.as_posix()
    if path == raw and ingest is not None:
        names = [one.name for one in ingest.body.columns]
        return {
            name: [SourceColumn(*place(pipeline, ingest.body.uri), name, SAME)] for name in names
        }
    if split is None:
        return {}
    features = [*split.body.numeric, *split.body.categorical]
    for table, sensitive in PARTS.values():
        if path == table.as_posix():
            found = {
                name: [SourceColumn(pipeline.project, raw, name, SAME)]
                for name in split.body.numeric
            }
            found |= {
                name: [SourceColumn(pipeline.project, raw, name, CHANGED)]
                for name in split.body.categorical
            }
            target = _target(pipeline)
            made = (
                {tables.TARGET: [SourceColumn(pipeline.project, raw, target, CHANGED)]}
                if target
                else {}
            )
            return found | made
        if path == sensitive.as_posix():
            return {
                name: [SourceColumn(pipeline.project, raw, name, CHANGED)]
                for name in split.body.sensitive
            }
    if path == tables.PREDICTIONS.as_posix():
        parts = [table.as_posix() for table, _ in PARTS.values()]
        seen = [
            SourceColumn(pipeline.project, part, name, CHANGED)
            for part in parts
            for name in features
        ]
        kept = {
            name: [SourceColumn(pipeline.project, part, name, SAME) for part in parts]
            for name in (tables.ROW, tables.TARGET)
        }
        return kept | dict.fromkeys(["score", "prediction", *_by_class(split.body.classes)], seen)
    return {}


def _by_class(classes: list[str] | None) -> list[str]:
    """Return the columns with the probability of each class, if there are three or more."""
    return [f"{tables.SCORE_OF}{place}" for place in range(len(classes or []))]


def _target(pipeline: RecordedPipeline) -> str | None:
    data = pipeline.steps["split"].parameters.get(PARAMS, {}).get("data", {})
    return str(data["target"]) if data.get("target") else None


def _regression(pipeline: RecordedPipeline) -> bool:
    data = pipeline.steps["split"].parameters.get(PARAMS, {}).get("data", {})
    return data.get("task") == "regression"

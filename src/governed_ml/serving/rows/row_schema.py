"""JSON Schemas (of OpenAPI 3.1) of a request's row, of its prediction, and of a label.

A value that fits the schema is accepted, with three exceptions that it cannot express: another
spelling of a known category, a day that no month has in a format other than ISO 8601, and what the
contract says about several columns. Their descriptions say so.
"""

from __future__ import annotations

from typing import Any

from governed_ml.core.config.data import Data
from governed_ml.pipeline.data.sources import LARGEST
from governed_ml.serving.rows.category_columns import TextColumn, TruthColumn
from governed_ml.serving.rows.date_column import DateColumn
from governed_ml.serving.rows.date_schema import date_schema
from governed_ml.serving.rows.row_reader import RowReader
from governed_ml.serving.rows.typed_columns import (
    LARGEST_WHOLE,
    SMALLEST_WHOLE,
    CodeColumn,
    NumberColumn,
    TypedColumn,
)

Schema = dict[str, Any]
REPLACES = {
    "minimum": "minimum",
    "exclusiveMinimum": "minimum",
    "maximum": "maximum",
    "exclusiveMaximum": "maximum",
}
"""Keyword → the keyword of a column's widest limits that it replaces."""


def row_schema(reader: RowReader) -> Schema:
    """Return the schema of a row; its required columns are the model's features."""
    return {
        "type": "object",
        "description": f"One row of {reader.data.name}. Columns that are no features may be left "
        "out.",
        "properties": {name: column_schema(reader, name) for name in reader.columns},
        "required": list(reader.features),
        "additionalProperties": False,
    }


def label_schema(reader: RowReader, target: str) -> Schema:
    """Return the schema of a label, given the reader of the target alone. It is never missing."""
    column = reader.columns[target]
    if isinstance(column, TextColumn):
        if column.known and not column.rare:
            return {"enum": sorted(column.known)}
        return {"type": "string", "not": {"enum": sorted(column.markers)}}
    found = _values(reader, column)
    if isinstance(column, TruthColumn):
        typed = column.read(found["enum"]).typed
        return {"enum": [v for v, t in zip(found["enum"], typed, strict=True) if t is not None]}
    return found | {"type": found["type"][0]}


def answer_schema(data: Data) -> Schema:
    """Return the schema of a prediction."""
    prediction: Schema = {"type": "number", "description": "the predicted number"}
    score: Schema = {"type": "number", "description": "the same number"}
    if data.task == "classification":
        prediction = {"enum": [0, 1], "description": f"1: {data.target} is {data.positive}"}
        score = {"type": "number", "description": "the score of the favourable value"}
    more: Schema = {}
    if data.multiclass:
        names = data.class_names
        prediction = {"enum": names, "description": "the predicted class"}
        score = {"type": "number", "description": "the probability of the predicted class"}
        each = {name: {"type": "number"} for name in names}
        more = {"scores": {"type": "object", "properties": each, "required": names}}
    row = {"type": "integer", "minimum": 0, "description": "the number of the row, from 0"}
    explanation = {
        "type": ["object", "null"],
        "description": "contributions of features to the output, if they were asked for",
    }
    required = {"row": row, "prediction": prediction, "score": score, **more}
    return {
        "type": "object",
        "properties": {**required, "explanation": explanation},
        "required": list(required),
        "additionalProperties": False,
    }


def column_schema(reader: RowReader, name: str) -> Schema:
    """Return the schema of one column's values."""
    column = reader.columns[name]
    return {**_values(reader, column), "description": _description(reader, column)}


def _values(reader: RowReader, column: TypedColumn) -> Schema:
    """Return which values a column has."""
    fragments = [one.schema for one in reader.checks.values.get(column.name, []) if one.schema]
    sets = [one["enum"] for one in fragments if "enum" in one]
    if isinstance(column, TruthColumn):
        texts = sorted(column.texts)
        return {"enum": _fitting(reader, column, [True, False, 1, 0, *texts, None])}
    if sets and not isinstance(column, DateColumn):
        special = [*column.one.spellings, *column.markers] if isinstance(column, TextColumn) else []
        values = dict.fromkeys([*sets[0], *sorted(special), None])
        return {"enum": _fitting(reader, column, list(values))}
    if isinstance(column, NumberColumn):
        return _number(reader, column, fragments)
    return _text(reader, column, fragments)


def _number(reader: RowReader, column: NumberColumn, fragments: list[Schema]) -> Schema:
    """Return numbers within limits, without those that stand for a missing value."""
    is_code = isinstance(column, CodeColumn)
    found: Schema = {"type": "integer" if is_code else "number"}
    low, high = (SMALLEST_WHOLE, LARGEST_WHOLE) if is_code else (-LARGEST, LARGEST)
    widest: Schema = {"minimum": low, "maximum": high}
    for fragment in fragments:
        if fragment.get("type") == "integer":
            found["type"] = "integer"
        for name, value in fragment.items():
            if name in REPLACES and low <= value <= high:
                widest.pop(REPLACES[name], None)
    found |= widest
    good = _fitting(reader, column, column.spelled)
    never = {*column.standing, *(value for value in column.spelled if value not in good)}
    apart: list[Schema] = [{"not": {"enum": sorted(never)}}] if never else []
    for fragment in [*fragments, *apart]:
        _add(found, {name: value for name, value in fragment.items() if name != "type"})
    return _or_null(reader, column, found)


def _text(reader: RowReader, column: TypedColumn, fragments: list[Schema]) -> Schema:
    """Return texts, with those that have a meaning of their own."""
    found: Schema = {"type": "string"}
    if isinstance(column, DateColumn):
        found = date_schema(column, reader.checks.values.get(column.name, []))
        fragments = []
    special = [*column.one.spellings, *sorted(column.markers)]
    good = _fitting(reader, column, special)
    refused = [text for text in special if text not in good]
    for fragment in [*fragments, *([{"not": {"enum": refused}}] if refused else [])]:
        _add(found, fragment)
    if isinstance(column, DateColumn) or fragments:
        good = [*good, *_fitting(reader, column, [None])]
        return {"anyOf": [found, {"enum": good}]} if good else found
    return _or_null(reader, column, found)


def _add(to: Schema, more: Schema) -> None:
    """Require something else, too."""
    if more.keys() & to.keys():
        to.setdefault("allOf", []).append(more)
    else:
        to |= more


def _or_null(reader: RowReader, column: TypedColumn, schema: Schema) -> Schema:
    """Allow null where a missing value is accepted."""
    if _fitting(reader, column, [None]):
        schema["type"] = [schema["type"], "null"]
    return schema


def _fitting(reader: RowReader, column: TypedColumn, values: Any) -> list[Any]:
    """Return the values that a column accepts and the contract allows."""
    values = list(values)
    read = column.read(values)
    refused = {*read.unfit, *(at for at, _ in reader.checks.faults(column.name, read.typed))}
    return [value for at, value in enumerate(values) if at not in refused]


def _description(reader: RowReader, column: TypedColumn) -> str:
    """Return what a column is, and what is asked of its values."""
    said = [column.words.removeprefix("must be ")]
    sign = column.one.column.format
    if isinstance(column, NumberColumn) and sign:
        said.append(f"in training written with {sign}")
    if isinstance(column, TextColumn) and column.recorded:
        said.append("a new category is accepted and noted, another spelling of a known one is not")
    said += dict.fromkeys(one.words for one in reader.checks.values.get(column.name, []))
    said += [one.words for one in reader.checks.rows if one.column == column.name]
    if column.name in reader.data.sensitive:
        said.append("a sensitive attribute, which is stored apart and is no feature")
    elif column.name not in reader.features:
        said.append("not a feature")
    return "; ".join(said)

"""Read the rows of a request with the columns of a version's training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.closed_model import as_code
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.problem import Problem, Unusable
from governed_ml.pipeline.data.column_readers import FrozenColumn, frozen
from governed_ml.serving.http.body import COUNTED, NAMED, place
from governed_ml.serving.http.problems import FieldFault, RequestRefused, pointer
from governed_ml.serving.rows.category_columns import TextColumn, TruthColumn
from governed_ml.serving.rows.date_column import DateColumn
from governed_ml.serving.rows.feature_frame import FeatureFrames
from governed_ml.serving.rows.text_meanings import TextMeanings
from governed_ml.serving.rows.typed_columns import CodeColumn, NumberColumn, TypedColumn

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.pipeline.predict_version import ServedVersion

Row = dict[str, Any]


@dataclass(frozen=True)
class ReadRows:
    """The features for the model, the columns for the two logs, and remarks without values."""

    features: pd.DataFrame
    logged: list[Row]
    sensitive: list[Row]
    notes: list[str]


class RowReader:
    """Reads rows as `predict` does. It is made once for each version; any thread may read."""

    def __init__(
        self, columns: list[Column], data: Data, numeric: list[str], categorical: list[str]
    ) -> None:
        """Prepare the columns; this asks SQL about the values of training."""
        self.data, self.features = data, [*numeric, *categorical]
        self._meanings = TextMeanings()
        self._numeric, self._categorical = set(numeric), set(categorical)
        self.columns = {
            name: typed_column(one, self._meanings)
            for name, one in frozen(columns, data).items()
            if name != data.target
        }
        self._frames = FeatureFrames(numeric, categorical)

    @classmethod
    def of(cls, origin: ServedVersion) -> RowReader:
        """Return the reader of a version; raise `Problem` if its evidence is not readable."""
        ingested, trained = origin.evidence["ingest"], origin.evidence["train"]
        if isinstance(ingested, Unusable) or isinstance(trained, Unusable):
            raise Problem("the version's own evidence is not readable: register the model again", 1)
        body = trained.body
        return cls(ingested.body.columns, origin.data, list(body.numeric), list(body.categorical))

    def read(self, rows: list[Row]) -> ReadRows:
        """Read rows; raise `RequestRefused` with all faults of all rows."""
        faults: list[tuple[int, str, str]] = list(self._strange(rows))
        features: dict[str, list[Any]] = {}
        logged: list[Row] = [{} for _ in rows]
        sensitive: list[Row] = [{} for _ in rows]
        notes: list[str] = []
        for name, column in self.columns.items():
            there = [number for number, row in enumerate(rows) if name in row]
            needed = name in self._numeric or name in self._categorical
            if needed and len(there) < len(rows):
                lost = (number for number, row in enumerate(rows) if name not in row)
                faults += [(one, name, "is missing, and the model needs it") for one in lost]
            if not there:
                continue
            found = column.read([rows[number][name] for number in there])
            faults += [(there[one], name, why) for one, why in found.unfit.items()]
            values = found.logged
            if needed:
                values = found.typed if name in self._numeric else as_texts(found.typed)
                features[name] = values
                if found.new:
                    notes.append(f"{found.new:,} values of {name!r} did not occur in training")
            kept = sensitive if name in self.data.sensitive else logged
            for number, value in zip(there, values, strict=True):
                kept[number][name] = value
        if faults:
            raise self._refused(faults)
        return ReadRows(self._frames.frame(features, len(rows)), logged, sensitive, notes)

    def _strange(self, rows: list[Row]) -> Iterator[tuple[int, str, str]]:
        """Yield what is wrong with the names of columns."""
        for number, row in enumerate(rows):
            for name in row.keys() - self.columns.keys():
                if name == self.data.target:
                    yield number, name, "is what the model predicts: send it to /ground-truth"
                else:
                    yield number, name, self._unknown(name)

    def _unknown(self, name: str) -> str:
        others = {one.casefold(): one for one in self.columns}
        near = get_close_matches(name.casefold(), others, 1) if len(name) <= NAMED else []
        return "is no column of the model's data" + (
            f": did you mean {others[near[0]]!r}?" if near else ""
        )

    def _refused(self, faults: list[tuple[int, str, str]]) -> RequestRefused:
        """Return the answer for rows with faults: row, column and what is wrong."""
        faults.sort(key=lambda one: one[0])
        listed = [
            FieldFault((pointer if name in self.columns else place)(row, name), why)
            for row, name, why in faults[:COUNTED]
        ]
        return RequestRefused(422, "invalid-rows", "the rows do not fit the model's data", listed)

    def close(self) -> None:
        """Free what the reader holds."""
        self._meanings.close()


def typed_column(one: FrozenColumn, meanings: TextMeanings) -> TypedColumn:
    """Return what reads a column's JSON values."""
    column = one.column
    if column.type == "VARCHAR":
        return (TruthColumn if column.kind == "boolean" else TextColumn)(one, meanings)
    if column.type == "TIMESTAMP":
        return DateColumn(one, meanings)
    return (CodeColumn if column.type == "BIGINT" and one.code else NumberColumn)(one, meanings)


def as_texts(values: list[Any]) -> list[str | None]:
    """Return the values of a category as its feature has them."""
    return [value if value is None or type(value) is str else as_code(value) for value in values]

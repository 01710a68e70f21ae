"""Read the rows of a request with the columns of a version's training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from governed_ml.core.config.closed_model import as_code
from governed_ml.core.config.data import Data
from governed_ml.core.evidence_bodies import Column
from governed_ml.core.problem import Problem, Unusable
from governed_ml.pipeline.contract.suite_file import Given, given
from governed_ml.pipeline.data.column_readers import FrozenColumn, frozen
from governed_ml.serving.http.body import COUNTED, NAMED, place
from governed_ml.serving.http.problems import MOST_FAULTS, FieldFault, RequestRefused, pointer
from governed_ml.serving.rows.category_columns import TextColumn, TruthColumn
from governed_ml.serving.rows.contract_checks import contract_checks
from governed_ml.serving.rows.date_column import DateColumn
from governed_ml.serving.rows.feature_frame import FeatureFrames
from governed_ml.serving.rows.text_meanings import TextMeanings
from governed_ml.serving.rows.typed_columns import CodeColumn, NumberColumn, ReadColumn, TypedColumn

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.pipeline.predict_version import ServedVersion

Row = dict[str, Any]
Fault = tuple[int, str, str]
"""The number of a row, a column, and what is wrong with its value."""
NUMERIC, CATEGORICAL = "numeric", "categorical"
LOST = "is missing, and the model needs it"
TARGET = "is what the model predicts: send it to /ground-truth"


@dataclass(frozen=True)
class ReadRows:
    """The features for the model, the columns for the two logs, and remarks without values."""

    features: pd.DataFrame
    logged: list[Row]
    sensitive: list[Row]
    notes: list[str]


class _Found:
    """What was read of the rows of one request so far."""

    def __init__(self, rows: list[Row]) -> None:
        self.features: dict[str, list[Any]] = {}
        self.logged: list[Row] = [{} for _ in rows]
        self.sensitive: list[Row] = [{} for _ in rows]
        self.typed: list[Row] = [{} for _ in rows]
        self.notes: list[str] = []
        self.faults: list[Fault] = []


class RowReader:
    """Reads rows as `predict` does. It is made once for each version; any thread may read."""

    def __init__(
        self,
        columns: list[Column],
        data: Data,
        numeric: list[str],
        categorical: list[str],
        contract: Sequence[Given] = (),
    ) -> None:
        """Prepare the columns and the contract's checks; SQL is asked about training's values."""
        self.data, self.features = data, [*numeric, *categorical]
        self._meanings = TextMeanings()
        self._kinds = dict.fromkeys(numeric, NUMERIC) | dict.fromkeys(categorical, CATEGORICAL)
        self.columns = {
            name: typed_column(one, self._meanings)
            for name, one in frozen(columns, data).items()
            if name != data.target
        }
        self.checks = contract_checks(contract, {n: one.type for n, one in self.columns.items()})
        self._frames = FeatureFrames(numeric, categorical)

    @property
    def left_to_monitoring(self) -> list[str]:
        """Return the contract's expectations that no row is judged by."""
        return self.checks.left

    @classmethod
    def of(cls, origin: ServedVersion) -> RowReader:
        """Return the reader of a version, whose contract is a file now, though perhaps not later.

        Raise `Problem` if contract or evidence cannot be read.
        """
        ingested, trained = origin.evidence["ingest"], origin.evidence["train"]
        if isinstance(ingested, Unusable) or isinstance(trained, Unusable):
            raise Problem("the version's own evidence is not readable: register the model again", 1)
        body = trained.body
        features = list(body.numeric), list(body.categorical)
        return cls(ingested.body.columns, origin.data, *features, given(origin.data))

    def read(self, rows: list[Row]) -> ReadRows:
        """Read rows; raise `RequestRefused` with all faults of all rows."""
        found = _Found(rows)
        found.faults += islice(self._strange(rows), COUNTED)
        for name, column in self.columns.items():
            there = [number for number, row in enumerate(rows) if name in row]
            if name in self._kinds and len(there) < len(rows):
                lost = set(range(len(rows))).difference(there)
                found.faults += [(number, name, LOST) for number in lost]
            if there:
                self._add(found, there, column, column.read([rows[n][name] for n in there]))
        found.faults += self.checks.faults_of_rows(found.typed)
        if found.faults:
            raise self._refused(found.faults)
        features = self._frames.frame(found.features, len(rows))
        return ReadRows(features, found.logged, found.sensitive, found.notes)

    def _add(self, to: _Found, there: list[int], column: TypedColumn, read: ReadColumn) -> None:
        """Add the values of a column in the rows that have it."""
        name, kind = column.name, self._kinds.get(column.name)
        to.faults += [(there[at], name, why) for at, why in read.unfit.items()]
        for at, why in self.checks.faults(name, read.typed):
            if at not in read.unfit:
                to.faults.append((there[at], name, why))
        if name in self.checks.together:
            for at, number in enumerate(there):
                if at not in read.unfit:
                    to.typed[number][name] = read.typed[at]
        values = read.logged
        if kind is not None:
            values = to.features[name] = read.typed if kind == NUMERIC else as_texts(read.typed)
            if read.new:
                to.notes.append(f"{read.new:,} values of {name!r} did not occur in training")
        kept = to.sensitive if name in self.data.sensitive else to.logged
        for number, value in zip(there, values, strict=True):
            kept[number][name] = value

    def _strange(self, rows: list[Row]) -> Iterator[Fault]:
        """Yield what is wrong with the names of columns."""
        told = 0
        for number, row in enumerate(rows):
            for name in row.keys() - self.columns.keys():
                why = TARGET if name == self.data.target else self._unknown(name, told)
                yield number, name, why
                told += 1

    def _unknown(self, name: str, told: int) -> str:
        """Return that a column is unknown; the first ones learn which name is similar."""
        near: list[str] = []
        if told < MOST_FAULTS and len(name) <= NAMED:
            others = {one.casefold(): one for one in self.columns}
            near = [others[one] for one in get_close_matches(name.casefold(), others, 1)]
        return f"is no column of the model's data{f': did you mean {near[0]!r}?' if near else ''}"

    def _refused(self, faults: list[Fault]) -> RequestRefused:
        """Return the answer for rows with faults."""
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

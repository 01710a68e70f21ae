"""Rows are left out only where `conf/data` says so, and are counted; a third value is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from measured_cards import Measured, measured_release, release_folder  # noqa: F401 - fixtures
from served import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core.bodies.ingested import AgainstRest, IngestBody, LeftOut
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.policy.decision_screen import about

pytestmark = pytest.mark.usefixtures("inside")
ROWS = 600


def table() -> pd.DataFrame:
    """Loans of which every third has no label, and every tenth no age."""
    row = np.arange(ROWS)
    return pd.DataFrame(
        {
            "age": pd.Series(row % 60, dtype="Int64").mask(row % 10 == 9),
            "since": pd.Timestamp("2025-01-01") + pd.to_timedelta(row % 300, "D"),
            "sex": np.where(row % 2, "m", "f"),
            "repaid": pd.Series(np.where(row % 7 < 3, "yes", "no")).mask(row % 3 == 0),
        }
    )


def read(frame: pd.DataFrame, suffix: str = "csv", **conf: Any) -> tuple[pd.DataFrame, IngestBody]:
    """Ingest a table; return it as stored, and what the evidence says."""
    bodies: list[IngestBody] = []
    source = served.write(frame, Path(f"table.{suffix}"))
    served.ingested(source, time="since", bodies=bodies, **conf)
    return pd.read_parquet("data/raw.parquet"), bodies[0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_without_a_label_are_refused_or_left_out_and_counted(suffix: str) -> None:
    # Given a target with gaps, when it is ingested, then the line says what to write
    with pytest.raises(Problem, match=r"missing in 200 of 600 rows: write `drop_unlabelled: true`"):
        read(table(), suffix)
    # And with this answer the rows are left out, in order, and counted
    raw, body = read(table(), suffix, drop_unlabelled=True)
    right = table().dropna(subset="repaid")
    assert raw["repaid"].tolist() == right["repaid"].tolist()
    assert body.left_out == LeftOut(
        rows_read=600, condition=None, outside=0, unknown=0, unlabelled=200
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "db"])
def test_a_condition_keeps_the_rows_for_which_it_holds(suffix: str) -> None:
    # Given a condition about numbers, texts and dates
    condition = "age >= 18 AND sex IN ('m', 'f') AND NOT since < DATE '2025-02-01'"
    # When the table is ingested, then the rows for which it holds are left, in order
    raw, body = read(table(), suffix, rows=condition, drop_unlabelled=True)
    frame = table()
    old = frame["age"].fillna(0) >= 18
    right = frame[old & (frame["since"] >= "2025-02-01")]
    assert raw["age"].tolist() == right.dropna(subset="repaid")["age"].tolist()
    # And the evidence counts the others, with those that have no age
    found = body.left_out
    assert found is not None
    assert (found.rows_read, found.outside, found.unlabelled) == (
        600,
        600 - len(right),
        len(right) - len(raw),
    )
    assert found.unknown == int((frame["age"].isna() & (frame["since"] >= "2025-02-01")).sum())
    assert body.rows == len(raw)
    # And the categories are those of the rows that are left
    who = np.where(frame["age"].fillna(0) < 18, "child", "adult")
    _, body = read(table().assign(who=who), suffix, rows=condition, drop_unlabelled=True)
    assert next(one for one in body.columns if one.name == "who").values == ["adult"]


REFUSED = {
    "agee >= 18": "names 'agee', which the table does not have; did you mean 'age'?",
    'sex = "m"': "names 'm', which the table does not have; a text needs 'single quotes'",
    "lower(sex) = 'm'": "uses `lower`, which is not allowed",
    "age + 1 > 2": r"uses `\+`, which is not allowed",
    "age IN (SELECT 1)": "uses `subquery`, which is not allowed",
    "random() < 0.5": "uses `random`, which is not allowed",
    "since < current_date": "names 'current_date', which the table does not have",
    "rowid > 5": "names 'rowid', which the table does not have",
    "EXISTS (SELECT * FROM read_text('/etc/hostname'))": "uses `subquery`, which is not allowed",
    "age > 1) UNION SELECT (1": "is no condition",
    "age > 1; DROP TABLE t": "cannot be read",
    "age > 1 LIMIT 3": "cannot be read",
    "age > 1) GROUP BY (age": "is no condition",
    "true": "names no column",
    " ": "is empty",
    "sex > 5": "compares a column with a value of another type",
    "age > 1000": "no row of 600 is left",
    "age > 1 OR " * 300 + "age > 1": "has more than 2,000 characters",
}


@pytest.mark.parametrize("condition", REFUSED)
def test_a_condition_compares_columns_and_does_nothing_else(condition: str) -> None:
    with pytest.raises(Problem, match=REFUSED[condition]):
        read(table(), rows=condition, drop_unlabelled=True)


def test_three_values_of_the_target_are_asked_about() -> None:
    # Given a target with a third value
    frame = table().assign(repaid=["yes", "no", "in part"] * 200)
    # When it is ingested, then values and counts are said, and what to write
    said = r"'repaid' has 3 values \('in part' 200 times, .* `classes: .* `against: rest`"
    with pytest.raises(Problem, match=said):
        read(frame)
    # And with this answer it is said what is predicted
    lines: list[str] = []
    _, body = read(frame, against="rest", lines=lines)
    assert body.against_rest == AgainstRest(target="repaid", positive="yes", others=2)
    assert "predicts: repaid = 'yes' against all other values (2 values)" in lines[0]
    # And either way of having two values needs no such answer
    for answer in ({"rows": "repaid <> 'in part'"}, {"spellings": {"repaid": {"in part": "no"}}}):
        _, body = read(frame, **answer)
        assert body.against_rest is None


def test_evidence_without_left_out_rows_is_as_before() -> None:
    # Given a table of which nothing is left out, when its evidence is dumped
    _, body = read(table().dropna(subset="repaid"))
    # Then no new field is in it, nor in the configuration
    assert not {"left_out", "against_rest", "classes"} & json.loads(body.model_dump_json()).keys()
    plain = Data.model_validate(served.PLAIN | {"source": {"kind": "synthetic", "rows": 9}})
    assert not {"rows", "drop_unlabelled", "against"} & plain.model_dump().keys()
    assert plain.model_dump()["source"]["rows"] == 9


def test_the_screen_says_what_is_predicted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given evidence of a table with three values, of which rows are left out
    _, body = read(table().assign(repaid=["yes", "no", "in part"] * 200), against="rest",
                   rows="age >= 18")  # fmt: skip
    from governed_ml.policy import decision_screen

    class Loaded:
        """Evidence with this body."""

        def __init__(self, *_: object) -> None:
            self.body = body

    monkeypatch.setattr(decision_screen, "load", Loaded)
    # When a decision is shown, then both are said
    first, second = about(Path())
    assert first == "predicts: repaid = 'yes' against all other values (2 values)"
    assert "of 600 rows of the source are left out" in second


def test_both_cards_say_what_is_predicted_and_left_out(measured: Measured) -> None:
    # Given evidence of a table with a third value, of which rows are left out
    gone = LeftOut(rows_read=600, condition="age >= 18", outside=90, unknown=9, unlabelled=10)
    rest = AgainstRest(target="repaid", positive="yes", others=2)
    changed = measured.with_body("ingest", left_out=gone, against_rest=rest)
    # When the cards are written, then both say so
    for text in (changed.model(), changed.table()):
        plain = text.replace("\\", "")
        assert "repaid = 'yes' against all other values (2 values)" in plain
        assert "100 of 600 rows of the source are left out (90 outside the condition age" in plain

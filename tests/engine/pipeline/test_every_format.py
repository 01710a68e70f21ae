"""Every format, every kind of column, training, `predict` and `monitor`: right, or refused."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import served
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from governed_ml.core.problem import Problem

FORMATS = ("csv", "parquet", "jsonl", "db")
FILES = ("csv", "parquet", "jsonl")
ROWS = 120
CONF: dict[str, Any] = {
    "sensitive": {"sex": {}, "branch": {}},
    "categorical": ["code", "account", "diagnosis"],
    "time": "applied_on",
}
KINDS = {
    "applied_on": "date",
    "whole": "integer",
    "decimal": "decimal",
    "truth": "boolean",
    "region": "category",
    "code": "code",
    "account": "code",
    "diagnosis": "code",
    "sex": "code",
    "branch": "code",
    "repaid": "code",
}


def table() -> pd.DataFrame:
    """One column of each kind, each with a gap where it may have one."""
    row = np.arange(ROWS)
    gap = row == 7
    frame = pd.DataFrame(
        {
            "applied_on": pd.Timestamp("2025-01-01") + pd.to_timedelta(row % 28, "D"),
            "whole": row % 9,
            "decimal": np.where(gap, np.nan, row / 8),
            "truth": row % 3 == 0,
            "region": np.where(gap, None, np.array(["north", "south"])[row % 2]),
            "code": row % 4,
            "account": pd.array(923456789012345000 + row % 3, dtype="Int64"),
            "diagnosis": np.array(["250.0", "250.00", "250.01"])[row % 3],
            "sex": np.array(["female", "male"])[row // 3 % 2],
            "branch": np.array(["007", "7"])[row // 2 % 2],
            "repaid": np.where(row * 7 % 10 < 5, "yes", "no"),
        }
    )
    frame.loc[7, "account"] = pd.NA
    return frame


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Require equal values, whatever pandas calls their types."""
    for name in one:
        pd.testing.assert_series_equal(
            one[name].reset_index(drop=True), other[name].reset_index(drop=True), check_dtype=False
        )


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_kind_in_every_format_is_the_same_afterwards(suffix: str) -> None:
    # Given a model of a table with a column of each kind
    frame = table()
    model = served.train(served.write(frame, Path(f"train.{suffix}")), **CONF)
    numbers = suffix == "db"  # a database has no truth values, but 1 and 0
    columns = model.origin.evidence["ingest"].body.columns
    right = KINDS | ({"truth": "integer"} if numbers else {})
    assert {column.name: column.kind for column in columns} == right
    assert model.features["diagnosis"].nunique() == 3
    assert model.features["account"].isna().sum() == 1
    # When its own rows come in each format
    for other in FORMATS:
        source = served.write(frame, Path(f"new.{other}"))
        batch, rows = model.monitor(source)
        if numbers and other != "db":
            # Then what the format cannot say is refused by name
            with pytest.raises(Problem, match=f"{ROWS} of {ROWS} values of 'truth' are not"):
                model.predict(Path(f"new.{other}"))
            assert batch.unfit == {"truth": ROWS}
            continue
        # And all else is what it was in training, for `monitor` and for `predict`
        assert batch.unfit == {}
        same(rows.features, model.features)
        assert (rows.target == (frame["repaid"] == "yes")).all()
        assert rows.groups["branch"].tolist() == frame["branch"].tolist()
        if other == "db":
            with pytest.raises(Problem, match="is a database"):
                model.predict(Path("new.db"))
            continue
        found = model.predict(Path(f"new.{other}"))["score"]
        assert np.abs(found - model.scores).max() < 1e-12
        served.forget_answers()
    # And a torn workbook is none of the formats, and says so
    Path("new.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(Problem, match="is damaged: unpack it yourself"):
        model.predict(Path("new.xlsx"))


BAD: dict[str, tuple[Any, str]] = {  # column → a value that does not fit, what is said of it
    "applied_on": ("31.01.2025", "a date written as ISO 8601"),
    "whole": ("1_000", "a number"),
    "decimal": ("0,5", "a number"),
    "truth": ("yes", "a truth value"),
    "region": ("North ", "a known spelling"),
    "code": ("1.5", "a whole number"),
    "account": ("0x1F", "a whole number"),
    "sex": ("Female", "a code"),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FILES)
def test_a_value_that_does_not_fit_is_refused_by_row_and_column(suffix: str) -> None:
    # Given a model of that table
    frame = table()
    model = served.train(served.write(frame, Path("train.csv")), **CONF)
    # When one cell of a column is something else, in each format
    for name, (value, said) in BAD.items():
        texts = frame.assign(applied_on=frame["applied_on"].dt.strftime("%Y-%m-%d"))
        cells = texts[name].astype(str).where(texts[name].notna(), None)
        path = Path(f"{name}.{suffix}")
        source = served.write(texts.assign(**{name: cells.where(cells.index != 40, value)}), path)
        # Then `predict` names row and column, and `monitor` counts it and takes no other value
        with pytest.raises(Problem, match=rf"1 of {ROWS} values of '{name}' .*{said}.*\(row 41\)"):
            model.predict(path)
        batch, _ = model.monitor(source)
        assert batch.unfit == {name: 1}, name
        assert batch.frame[name].isna().sum() == frame[name].isna().sum() + 1


# --- any table ------------------------------------------------------------------------------------

WORDS = ["a", "A", "a ", "b", "x-y", "x_y", "é", "N/A", "", "none", "true", "TRUE", "1", "01"]
TEXTS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**40), 2**40),
    "huge": st.integers(2**53 - 2, 2**62),
    "decimal": st.integers(-(10**9), 10**9).map(lambda number: number / 1000),
    "truth": st.booleans(),
    "truth words": st.sampled_from(["True", "False"]),
    "words": st.sampled_from(WORDS),
    "few words": st.sampled_from(["north", "south", "east"]),
    "digits": st.from_regex(r"\A[0-9]{1,20}\Z"),
    "codes": st.sampled_from(["007", "7", "250.0", "250.00", "1e3"]),
    "dates": st.dates().map(lambda day: day.strftime("%d/%m/%Y") if day.year > 999 else "x"),
    "almost numbers": st.sampled_from(["1", "2", "3.5", "4,5", "1_000", " 6", "nan", "unknown"]),
}


@st.composite
def any_table(draw: st.DrawFn) -> tuple[pd.DataFrame, dict[str, Any], str, str]:
    """A table with two columns of some kind, how it is configured, and two formats."""
    rows = draw(st.integers(8, 24))
    frame = pd.DataFrame({"repaid": ["yes", "no"] * (rows // 2) + ["yes"] * (rows % 2)})
    frame["steady"] = np.arange(rows) / 4
    conf: dict[str, Any] = {"categorical": [], "numeric": [], "distinct": [], "drop": []}
    for name in ("one", "other"):
        kind = draw(st.sampled_from(sorted(TEXTS)))
        values = draw(st.lists(TEXTS[kind], min_size=rows, max_size=rows))
        gaps = draw(st.sets(st.integers(0, rows - 1), max_size=2))
        column = pd.Series(values, dtype="object").where(~frame.index.isin(gaps), None)
        whole = kind in ("whole", "huge")
        frame[name] = column.astype("Int64") if whole else column.infer_objects()
        for answer in draw(st.sets(st.sampled_from(["categorical", "distinct"]))):
            conf[answer].append(name)
    return frame, conf, draw(st.sampled_from(FORMATS)), draw(st.sampled_from(FILES))


def check_any(case: tuple[pd.DataFrame, dict[str, Any], str, str]) -> None:
    """Train on a table in one format, predict it in another: the same scores, or a refusal."""
    frame, conf, suffix, other = case
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            model = served.train(served.write(frame, Path(f"train.{suffix}")), **conf)
        except Problem as problem:
            event(f"asked: {' '.join(str(problem).split()[2:5])}")
            return
        path = Path(f"new-{random.getrandbits(40)}.{other}")
        served.write(frame, path)
        refused = ""
        try:
            scores = model.predict(path)["score"].to_numpy()
        except Problem as problem:
            refused, scores = str(problem), model.scores
        event("refused" if refused else "answered")
        assert not refused or suffix != other, refused  # whatever trained can be predicted
        assert np.abs(scores - model.scores).max() < 1e-12, model.notes


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_table())
def test_a_training_table_has_its_scores_in_every_format_or_is_refused(case: Any) -> None:
    # Given any table in any format, when its rows are predicted in any other
    # Then the scores are those of training, to 1e-12, or the rows are refused
    check_any(case)


@pytest.mark.nightly
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(any_table())
def test_many_training_tables_have_their_scores_or_are_refused(case: Any) -> None:
    # Given many tables, when they are trained on and predicted, then none is answered wrongly
    check_any(case)

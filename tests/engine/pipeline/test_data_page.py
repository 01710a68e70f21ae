"""The data page: right counts, nothing that few rows have, and nothing that is markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import baked
import numpy as np
import pages
import pandas as pd
import pytest
import strangers

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data.columns import groups_of, target_of
from governed_ml.pipeline.data_page.column_facts import facts_of
from governed_ml.pipeline.data_page.data_page import DATA_PAGE, draw, source_of
from governed_ml.pipeline.data_page.shown_table import ShownTable
from governed_ml.pipeline.data_page.target_groups import by_group

ROWS = 600
KEYS: dict[str, Any] = {
    "name": "loans",
    "task": "classification",
    "target": "repaid",
    "positive": "yes",
    "source": {"kind": "file", "path": "data/source/loans.csv"},
    "sensitive": {"sex": {}, "age": {"bins": [30, 45]}},
    "contract": "governance/expectations/loans.json",
}


def loans(**columns: Any) -> pd.DataFrame:
    """Return a table with gaps, rare values and one column of each kind."""
    rng = np.random.default_rng(5)
    city = ["Rarewood"] * 9 + ["Tenford"] * 10 + ["Bigton"] * (ROWS - 19)
    made = {
        "sex": ["Xerox"] * 4 + ["f"] * 290 + ["m"] * 296 + [None] * 10,
        "age": [*rng.integers(18, 70, ROWS - 1).astype(float), np.nan],
        "income": [*np.round(rng.lognormal(8, 1, ROWS - 41), 2), 7777777.5, *[np.nan] * 40],
        "city": rng.permutation(city),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(range(ROWS), "D"),
        "repaid": rng.choice(["yes", "no"], ROWS),
    }
    return pd.DataFrame(made | columns)


def shown(folder: Path, frame: pd.DataFrame, **keys: Any) -> ShownTable:
    """Write a frame as `ingest` would, and return it with what its columns mean."""
    path = folder / "raw.parquet"
    frame.to_parquet(path, index=False)
    return ShownTable(path, Data.model_validate(KEYS | {"time": "since"} | keys))


def drawn(folder: Path, frame: pd.DataFrame, **keys: Any) -> pages.Page:
    """Return the page about a frame; reading it fails on an element that is not closed."""
    table = shown(folder, frame, **keys)
    assert draw(folder, table.path, table.data) == DATA_PAGE
    return pages.Page((folder / DATA_PAGE).read_text(encoding="utf-8"))


def test_missing_and_distinct_cells_are_those_of_pandas(tmp_path: Path) -> None:
    # Given a table with gaps, when its columns are counted
    frame = loans()
    table = shown(tmp_path, frame)
    found = {name: facts_of(table, name) for name in frame.columns}
    # Then pandas counts the same
    assert {name: one.missing for name, one in found.items()} == frame.isna().sum().to_dict()
    assert {name: one.distinct for name, one in found.items()} == frame.nunique().to_dict()
    assert found["income"].gaps == pytest.approx(40 / ROWS)
    # And each has its role and kind
    assert {name: (one.role, one.kind) for name, one in found.items()} == {
        "sex": ("sensitive", "code"),
        "age": ("sensitive", "decimal"),
        "income": ("feature", "decimal"),
        "city": ("feature", "category"),
        "since": ("time", "date"),
        "repaid": ("target", "code"),
    }


def test_numbers_have_quartiles_and_ends_of_ten_rows(tmp_path: Path) -> None:
    # Given numbers of which one lies far outside, when they are counted
    frame = loans()
    found = facts_of(shown(tmp_path, frame), "income").numbers
    assert found is not None
    # Then quartiles are those of pandas, and each end is the tenth number
    known = frame["income"].dropna().sort_values()
    assert found.quartiles == pytest.approx(known.quantile([0.25, 0.5, 0.75]).tolist())
    assert (found.low, found.high) == (known.iloc[9], known.iloc[-10])
    # And the bins hold every number, and the far one is said without its value
    assert sum(found.counts) == len(known)
    assert len(found.counts) == 10
    assert found.beyond
    page = drawn(tmp_path, frame)
    assert "Some rows lie far outside of these ends" in page.text
    assert "7777777" not in page.source.replace(",", "")


def test_values_of_fewer_than_ten_rows_are_hidden(tmp_path: Path) -> None:
    # Given a city with nine rows, one with ten, and a group with four
    page = drawn(tmp_path, loans())
    # When the page is read, then only what ten rows have is there
    assert "Tenford" in page.text
    assert "Rarewood" not in page.source
    assert "Xerox" not in page.source
    assert "1 group fewer than 10 rows not shown" in page.text


def test_texts_that_are_almost_unique_or_not_used_are_hidden(tmp_path: Path) -> None:
    # Given notes that nearly all differ, names that are not used, and keys of persons
    columns: dict[str, Any] = {
        "note": ["the same note"] * 20 + [f"note {number}" for number in range(ROWS - 20)],
        "surname": ["Smithson"] * ROWS,
        "customer_id": [f"K{number // 20}" for number in range(ROWS)],
        "account": range(1_000_000, 1_000_000 + ROWS),
    }
    frame = loans(**columns)
    # When the page is drawn, then it says why none of their values is there
    page = drawn(tmp_path, frame, drop=["surname", "account"])
    for value in ("the same note", "Smithson", "K1", "1,000,"):
        assert value not in page.text, value
    for reason in ("nearly every value occurs once", "not used", "identifies persons"):
        assert reason in page.text, reason


def test_a_value_of_fewer_than_ten_persons_is_hidden(tmp_path: Path) -> None:
    # Given 100 persons with 6 rows each, 9 of them in one city and 10 in another
    person = np.repeat(np.arange(100), 6)
    city = np.where(person < 9, "Nineton", np.where(person < 19, "Tenford", "Bigton"))
    frame = loans(subject=person, city=city, age=20.0 + person % 50)
    # When values and ends are counted, then persons count, and not rows
    table = shown(tmp_path, frame, group="subject")
    assert [value for value, _ in facts_of(table, "city").values] == ["Bigton", "Tenford"]
    numbers = facts_of(table, "age").numbers
    assert numbers is not None
    assert (numbers.low, numbers.high) == (24.0, 65.0)
    # And so it is without `group`, if a column's name says that it identifies persons
    table = shown(tmp_path, frame.rename(columns={"subject": "patient_id"}))
    assert [value for value, _ in facts_of(table, "city").values] == ["Bigton", "Tenford"]


def test_a_quartile_of_few_persons_is_hidden(tmp_path: Path) -> None:
    # Given five persons with most of the rows, whose value nobody else has
    person = np.concatenate([np.repeat(np.arange(5), 111), np.arange(5, 50)])
    frame = loans(subject=person, dose=np.where(person < 5, 1.25, 20.0 + person))
    # When the page is drawn, then their value is not there, though it is the median
    text = drawn(tmp_path, frame, group="subject").text
    assert "first quartile below 29 median below 29 third quartile below 29 high end 60" in text
    assert "1.25" not in text


@pytest.mark.parametrize("labels", [None, {"f": "women", "missing": "other", "Xerox": "other"}])
def test_the_target_by_group_is_that_of_split(tmp_path: Path, labels: Any) -> None:
    # Given groups by value, by bin and by label, when the favourable value is counted
    frame = loans()
    table = shown(tmp_path, frame, sensitive={"sex": {"labels": labels}, "age": {"bins": [30, 45]}})
    found = {one.name: one for one in by_group(table)}
    # Then pandas counts the same in the groups that `split` makes
    groups, target = groups_of(frame, table.data), target_of(frame, table.data)
    for name, one in found.items():
        each = target.groupby(groups[name]).agg(["size", "mean"])
        wanted = {str(g): (n, pytest.approx(m)) for g, n, m in each.itertuples() if n >= 10}
        assert {group: (n, mean) for group, n, (mean,) in one.groups} == wanted
        assert one.few == len(each) - len(wanted)
    assert found["sex"].few == (1 if labels is None else 0)


def test_each_class_has_its_share_by_group(tmp_path: Path) -> None:
    # Given three classes, one of which nine rows have
    repaid = ["late"] * 250 + ["never"] * 9 + ["early"] * (ROWS - 259)
    frame = loans(repaid=np.random.default_rng(1).permutation(repaid))
    keys: dict[str, Any] = {"positive": None, "classes": ["early", "late", "never"]}
    table = shown(tmp_path, frame, **keys)
    # When the classes are counted by group, then the shares are those of pandas, of one class
    # only: both others' would tell the hidden one
    [sex, _] = by_group(table)
    groups = groups_of(frame, table.data)["sex"]
    shares = pd.crosstab(groups, frame["repaid"], normalize="index")[["early"]]
    for group, n, means in sex.groups:
        assert n == (groups == group).sum()
        assert means == pytest.approx(shares.loc[group].tolist())
    # And the page names the classes that ten rows have, and how many others there are
    page = drawn(tmp_path, frame, **keys)
    assert "3: early, late and 1 of fewer than 10 rows" in page.text
    assert "A model predicts one of these classes" in page.text
    assert "share of early" in page.text
    assert "share of late" not in page.text
    assert "never" not in page.source


def test_a_regression_has_means_by_group(tmp_path: Path) -> None:
    # Given a regression with rows without a target, when the mean is counted by group
    frame = loans()
    table = shown(tmp_path, frame, task="regression", target="income", positive=None)
    [sex, _] = by_group(table)
    # Then it is that of pandas, and the page says what it is
    wanted = frame.groupby("sex")["income"].agg(["count", "mean"])
    assert {group: (n, mean) for group, n, (mean,) in sex.groups if group != "missing"} == {
        group: (n, pytest.approx(mean)) for group, n, mean in wanted.itertuples() if n >= 10
    }
    page = drawn(tmp_path, frame, task="regression", target="income", positive=None)
    assert "Mean of income among all rows" in page.text


def test_hostile_names_and_values_are_text(tmp_path: Path) -> None:
    # Given names and values that are markup, SQL, or turn the direction of text
    bad = "<script>alert(1)</script>"
    names = {"a\"b'; DROP TABLE t; --": bad, "<img src=x onerror=y>": "</table>&amp;", "v": "a"}
    columns: dict[str, Any] = {name: [value] * ROWS for name, value in names.items()}
    columns |= {
        "n": ["\u202egnp.exe"] * ROWS,
        "p": range(ROWS),
        "{{ 7 * 7 }}": ["{{ 7 * 7 }}"] * ROWS,
    }
    # When the page is drawn, then it has no element of theirs, and shows them as they are
    page = drawn(tmp_path, loans(**columns), name=bad)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert "\u202e" not in page.source
    for text in (bad, *names, "</table>&amp;", "{{ 7 * 7 }}"):
        assert text in page.text, text


def test_the_page_loads_nothing_and_is_built_for_every_reader(tmp_path: Path) -> None:
    page = drawn(tmp_path, loans())
    # Nothing comes from elsewhere
    assert not re.search(r"""(src|href)=["'](?!#|data:)|@import|url\(|https?://""", page.source)
    # Every table has a caption, every column or row a heading, every histogram a description
    assert len(page.of("caption")) == len(page.of("table")) > 5
    assert {"col", "row"} == {one["scope"] for one in page.of("th")}
    pictures = [one for one in page.of("svg") if "aria-hidden" not in one]
    assert len(pictures) == len(page.of("title")) - 1 == 3
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 == levels[0]


def test_few_rows_and_extreme_numbers_are_no_error(tmp_path: Path) -> None:
    # Given a table with too few rows for quartiles, an empty column, and one that is not finite
    frame = loans(nothing=pd.Series([None] * ROWS, dtype="str"), same=7)
    frame["endless"] = np.resize([1e308, np.inf, -1e308, np.inf], ROWS)
    page = drawn(tmp_path, frame)
    assert "it is empty" in page.text
    assert "too few rows have a value" in drawn(tmp_path, frame.head(30)).text
    # And what is no finite number counts as missing
    assert facts_of(shown(tmp_path, frame), "endless").missing == ROWS // 2


def test_a_password_of_a_source_is_not_shown() -> None:
    keys = {"kind": "sql", "url": "postgresql://ada:secret@host/db", "query": "SELECT 1"}
    assert source_of(Data.model_validate(KEYS | {"source": keys}).source) == (
        "a query of postgresql://host/db"
    )


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="the table has no column 'citty'; did you mean 'city'"):
        drawn(tmp_path, loans(), drop=["citty"])


def test_init_data_draws_the_page_unless_it_is_a_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a stranger's table, when it is drafted
    monkeypatch.chdir(tmp_path)
    base = strangers.project(tmp_path)
    strangers.drafted(base, strangers.customers(), dry=True)
    assert not (base / DATA_PAGE).exists()
    found = strangers.drafted(base, strangers.customers())
    # Then the page is there before anything is trained, without keys and addresses
    assert found.page == "reports/data.html"
    page = pages.Page((base / DATA_PAGE).read_text(encoding="utf-8"))
    assert "600 rows and 12 columns from data/source/customers.csv" in page.text
    assert "customer1@b.org" not in page.source
    assert "before ingest leaves out rows" not in page.text


def test_the_command_draws_the_page_of_the_ingested_table(finished: baked.BakedProject) -> None:
    # Given a project after its pipeline, when the data page is asked for
    said = finished.call("page", "--data").stdout
    # Then it is there, git ignores it, and the checks of files have nothing to say
    assert said.strip() == "reports/data.html"
    page = pages.Page(finished.read("reports/data.html"))
    assert "Target by group" in page.text
    assert baked.git_code(finished.path, "check-ignore", "--quiet", "reports/data.html") == 0
    finished.call("check", "data-in-git", "reports/data.html")
    assert not baked.git(finished.path, "status", "--porcelain")
    # And without a table it says what to run
    (finished.path / "data/raw.parquet").unlink()
    done = finished.call("page", "--data", code=None)
    assert "data/raw.parquet is missing: run `uv run dvc repro ingest` first" in done.stderr

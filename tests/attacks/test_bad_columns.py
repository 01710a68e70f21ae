"""Columns that cannot be judged, learned from or split are refused; odd ones that can be, work."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from baked import BakedProject
from people import (  # `before` and `project` are fixtures
    CSV,
    DATA,
    SUITE,
    before,  # noqa: F401
    changed,
    configure,
    every_push,
    people,
    project,  # noqa: F401
    refused,
    stage,
    text,
)

pytestmark = pytest.mark.slow

BROKEN: dict[str, tuple[str, list[str]]] = {  # case → the table, what the contract says of it
    "a column all null, numbers that became texts": (
        changed(town=None, income=lambda row: f"about {row}"),
        [
            "town: 100 % null (300 rows), at most 0 % allowed",
            "income: cannot be judged (has the column another type?), must be",
        ],
    ),
    "texts that became numbers, nothing but nan": (
        changed(town=range(300), income="nan"),
        [
            "town: 100 % otherwise (300 rows), must be one of Bern, Oslo, Rome",
            "income: 100 % null (300 rows)",
        ],
    ),
    "a new category": (
        changed(town=lambda row: "Riga" if row < 30 else "Rome"),
        [
            "town: 10 % otherwise (30 rows), must be one of Bern, Oslo, Rome",
        ],
    ),
    "too few rows": (
        people(4).to_csv(index=False),
        ["table: rows: 4, must be at least 150"],
    ),
}


@pytest.mark.parametrize("case", every_push(BROKEN, next(iter(BROKEN))))
def test_a_table_that_breaks_its_contract_stops(
    case: str,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given a table that is not what was agreed on, when it is validated
    content, said = BROKEN[case]
    project.write(CSV, content)
    stage(project, "ingest")
    # Then the pipeline stops with exit code 1, and says columns, shares and what was agreed on
    line = refused(project, "validate", 1)
    assert [words for words in said if words not in line] == []
    assert not project.has_file("data/validated.json")


UNLEARNED: dict[str, tuple[str, str, str]] = {  # case → conf/data, the table, what is said
    "a value that is not there": (
        DATA.replace('"yes"', '"ja"'),
        text(),
        "data.positive: 'ja' is no value of the target 'paid', which has 'no' 167 times, 'yes' 133",
    ),
    "one class": (DATA, changed(paid="yes"), "'paid' has one value only ('yes' 300 times)"),
    "a target with gaps": (
        DATA,
        changed(paid=lambda row: "yes" if row % 2 else None),
        "target 'paid' is missing in 150 of 300 rows",
    ),
}


@pytest.mark.parametrize("case", every_push(UNLEARNED, "a value that is not there"))
def test_a_target_that_cannot_be_learned_is_refused(case: str, project: BakedProject) -> None:  # noqa: F811
    # Given a target without a class to learn, when the table is ingested
    data, table, said = UNLEARNED[case]
    configure(project, data)
    project.write(CSV, table)
    stage(project, "compose")
    # Then the line says what is there, and no earlier table is taken for the new one
    assert said in refused(project, "ingest")
    assert not project.has_file("data/raw.parquet")


def when(value: Callable[[int], object]) -> str:
    """The table with one more column, `when`."""
    return changed(when=value)


BY_TIME, BY_GROUP = DATA + "time: when\n", DATA + "group: when\n"
UNSPLIT: dict[str, tuple[str, str, str, str]] = {  # case → split, conf/data, table, what is said
    "texts as times": (
        "time",
        BY_TIME,
        when(lambda row: f"day {row}"),
        "has values that are not dates",
    ),
    "times that are null": (
        "time",
        BY_TIME,
        when(lambda row: f"2026-02-{row % 28 + 1:02}" if row % 3 else None),
        "data.time: column 'when' is null in 100 of 300 rows",
    ),
    "one time only": ("time", BY_TIME, when(lambda _: "2026-02-01"), "split leaves no train rows"),
    "no time": ("time", DATA, text(), "conf/data names no time column for people"),
    "groups that are null": (
        "group",
        BY_GROUP,
        when(lambda row: row % 9 if row % 3 else None),
        "data.group: column 'when' is null in 100 of 300 rows",
    ),
    "one group only": ("group", BY_GROUP, when(lambda _: "all"), "'when' has one group only"),
    "no feature": ("random", DATA + "drop: [age, income, town]\n", text(), "no feature left"),
    "bins for texts": (
        "random",
        DATA.replace("sex: {}", "sex: {bins: [1]}"),
        text(),
        "sensitive column 'sex' has bins but does not hold numbers",
    ),
    "texts in a regression": (
        "random",
        DATA.replace("classification", "regression").replace('"yes"', "null"),
        text(),
        "target 'paid' has the type str, but a regression needs numbers",
    ),
    "one positive row": (
        "random",
        DATA,
        changed(paid=lambda row: "no" if row else "yes"),
        "rows have only one class of paid",
    ),
}


def prepare(project: BakedProject, split: str, data: str, table: str | bytes) -> None:  # noqa: F811
    """Go as far as the split."""
    configure(project, data)
    text = project.read("conf/config.yaml")
    project.write("conf/config.yaml", text.replace("split: random", f"split: {split}"))
    (project.path / CSV).write_bytes(table if isinstance(table, bytes) else table.encode())
    stage(project, "compose")
    stage(project, "ingest")


@pytest.mark.parametrize(
    "case",
    every_push(UNSPLIT, "texts as times", "groups that are null"),
)
def test_a_table_that_cannot_be_split_as_configured_is_refused(
    case: str,
    project: BakedProject,  # noqa: F811
) -> None:
    # Given a table and a configuration that do not go together
    split, data, table, said = UNSPLIT[case]
    prepare(project, split, data, table)
    # When it is split, then the line says which column is why
    assert said in refused(project, "split")
    assert not (project.path / "data/split").exists()


@pytest.mark.nightly
@pytest.mark.parametrize("share", ["0.0001", "0.9999"])
def test_a_share_that_leaves_nothing_is_refused(share: str, project: BakedProject) -> None:  # noqa: F811
    # Given a share of test rows that leaves a part empty, when it is split, then the line says so
    project.write("conf/split/random.yaml", f"kind: random\ntest_share: {share}\n")
    stage(project, "compose")
    assert f"300 rows cannot be split with test_share {share}" in refused(project, "split")


WORK: dict[str, tuple[str, str | bytes]] = {  # case → conf/data, the table
    "a byte order mark": (DATA, b"\xef\xbb\xbf" + text().encode()),
    "Windows line ends": (DATA, text().replace("\n", "\r\n")),
    "semicolons": (DATA, text().replace(",", ";")),
    "odd names": (DATA, text(town='"ho.me ""to[wn"" é"')),
    "true and false": (DATA.replace('"yes"', "true"), changed(paid=lambda row: row % 3 == 0)),
    "a number for yes": (DATA.replace('"yes"', "1"), changed(paid=lambda row: row % 2)),
    "a number as text": (DATA.replace('"yes"', '"1"'), changed(paid=lambda row: row % 2)),
    "one class of three against the rest": (
        DATA + "against: rest\n",
        changed(paid=lambda row: ["yes", "no", "perhaps"][row % 3]),
    ),
    "groups that are null": (DATA, changed(sex=lambda row: "f" if row % 2 else None)),
}


@pytest.mark.parametrize("case", every_push(WORK, "true and false"))
def test_an_unusual_table_is_read_as_configured(case: str, project: BakedProject) -> None:  # noqa: F811
    # Given a table that is odd and says what it means, when it is split
    data, content = WORK[case]
    prepare(project, "random", data, content)
    said = stage(project, "split")
    # Then all its rows are there, with its three features
    assert "210 train and 90 test rows, 3 features" in said
    if case == "groups that are null":
        evidence = json.loads(project.read("reports/evidence/split.json"))
        assert evidence["body"]["sensitive"]["sex"] == {"f": 150, "missing": 150}


@pytest.fixture
def unseen(project: BakedProject) -> BakedProject:  # noqa: F811
    """Test rows with a town that no train row has, an age that is null there, and a constant."""
    table = people().assign(when=range(300), constant=1)
    table.loc[210:, "town"] = "Riga"
    table.loc[210:, "age"] = None
    prepare(project, "time", BY_TIME, table.to_csv(index=False))
    (project.path / SUITE).unlink()
    project.call("contract", "draft")
    return project


@pytest.mark.nightly
def test_categories_and_nulls_unseen_in_training_are_predicted(unseen: BakedProject) -> None:
    # Given them, when a model is trained and evaluated, then it works
    for name in ("split", "train", "evaluate"):
        assert stage(unseen, name).startswith(f"{name}: ")
    evidence = json.loads(unseen.read("reports/evidence/evaluate.json"))
    assert evidence["body"]["rows"] == 90
    assert evidence["metrics"]["roc_auc"]["value"] > 0.5


@pytest.mark.nightly
def test_categories_and_nulls_unseen_in_training_are_drift(unseen: BakedProject) -> None:
    # Given them, when the whole pipeline runs, then every gate has measured, and drift denies
    unseen.stages()
    rules = json.loads(unseen.read("reports/decision.json"))["rules"]
    failed = {rule["id"] for rule in rules if rule["verdict"] != "pass"}
    assert {"drift.data[town]", "drift.data[age]"} <= failed
    assert "evaluate.roc_auc" in {rule["id"] for rule in rules}

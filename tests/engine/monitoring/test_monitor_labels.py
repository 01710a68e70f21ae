"""Labels of production are read as training reads them; late, odd or lost ones are said."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from watched import (
    NOW,
    ROWS,
    Watch,
    inside,  # noqa: F401 - a fixture
    saved,
    served,
    verdicts,
    watched,  # noqa: F401 - a fixture
)

from governed_ml.core.problem import Problem
from governed_ml.monitoring import label_values


def test_late_partial_repeated_or_unknown_labels_are_reported(
    watch: Watch,
) -> None:
    # Given two logged requests without labels or sensitive attributes
    rows = watch.rows()
    bare = rows.drop(columns=["repaid", "sex", "age_group"])
    served(watch, bare.iloc[:500].reset_index(drop=True), "one", NOW - timedelta(hours=5))
    served(watch, bare.iloc[500:].reset_index(drop=True), "two", NOW - timedelta(hours=2))
    log = {"kind": "log"}
    before = watch.look(log)
    assert (before.rows, before.labelled, before.level) == (ROWS, 0, "warn")
    assert before.reasons[0] == "performance was not measured: no labels yet"
    said = "fairness by sex was not measured: no row has the values that the rule needs"
    assert said in before.reasons
    assert verdicts(before)["performance.roc_auc"] == "not_measured"
    assert verdicts(before)["fairness.demographic_parity[sex]"] == "not_measured"
    # When labels come for the first request only, in another order, one twice, one contradicted,
    # one of a request that nobody made
    labels = pd.DataFrame({"request_id": "one", "row": range(500), "label": rows["repaid"][:500]})
    labels = labels.sample(frac=1, random_state=0)
    other = {"yes": "no", "no": "yes"}
    row = labels.iloc[[7]]
    more = [labels.iloc[[3]], row.assign(label=row["label"].map(other))]
    more += [pd.DataFrame({"request_id": ["nobody"], "row": [0], "label": ["yes"]})]
    more += [pd.DataFrame({"request_id": ["two"], "row": [9], "label": [None]})]
    saved(pd.concat([labels, *more]), "labels.csv")
    people = pd.concat(
        [
            pd.DataFrame(
                {"request_id": name, "row": range(len(part)), **part[["sex", "age_group"]]}
            )
            for name, part in (
                ("one", rows.iloc[:500].reset_index(drop=True)),
                ("two", rows.iloc[500:].reset_index(drop=True)),
            )
        ]
    )
    saved(people, "people.parquet")
    found = watch.look(
        log,
        labels={"kind": "file", "path": "labels.csv"},
        sensitive={"kind": "file", "path": "people.parquet"},
    )
    # Then those that are sure count, and the rest is said
    assert found.digest == before.digest
    assert (found.rows, found.labelled) == (ROWS, 499)
    said = " / ".join(found.reasons)
    for cause in (
        "labels: repeated rows, each counted once: 1",
        "labels: rows with contradicting values, not counted: 1",
        "labels: rows of a request that is not in this window: 1",
        "labels: 401 of 900 rows have none",
    ):
        assert cause in said
    assert verdicts(found)["performance.roc_auc"] == "healthy"
    # And joined attributes are as good as the batch's own
    whole = watch.look(saved(rows))
    name = "fairness.demographic_parity[sex*age_group]"
    values = [{rule.id: rule.value for rule in one.rules}[name] for one in (found, whole)]
    assert values[0] == pytest.approx(values[1])


def test_labels_in_another_coding_are_ignored(watch: Watch) -> None:
    # Given labels that say 1 and 0 where the table says yes and no
    served(watch, watch.rows().drop(columns="repaid"), "one", NOW - timedelta(hours=1))
    labels = {"request_id": "one", "row": range(ROWS), "label": [1, 0] * (ROWS // 2)}
    saved(pd.DataFrame(labels), "labels.csv")
    found = watch.look({"kind": "log"}, labels={"kind": "file", "path": "labels.csv"})
    # Then nothing is measured by them, and the reason is said
    assert (verdicts(found)["performance.roc_auc"], found.labelled) == ("not_measured", 0)
    often = "'0' 450 times, '1' 450 times"
    said = f"labels: values that the target does not have (no, yes): 900, such as {often}"
    assert said in found.reasons


def test_labels_that_cannot_be_joined_are_reported(watch: Watch) -> None:
    # Given a batch without request ids, when labels are configured, then it is measured without
    rows = watch.rows().drop(columns=["repaid", "sex"])
    labels = {"kind": "file", "path": "labels.csv"}
    found = watch.look(saved(rows), labels=labels, sensitive=labels)
    assert "labels: the batch has no request_id and row to join them by" in found.reasons
    assert verdicts(found)["fairness.demographic_parity[age_group]"] == "healthy"
    # And a file of labels that is none is refused in a line
    served(watch, rows, "one", NOW - timedelta(hours=1))
    saved(rows, "labels.csv")
    with pytest.raises(Problem, match=r"labels: labels.csv has no column 'request_id'"):
        watch.look({"kind": "log"}, labels=labels)
    Path("labels.csv").unlink()
    with pytest.raises(Problem, match=r"labels.csv does not exist"):
        watch.look({"kind": "log"}, labels=labels)


def test_labels_with_an_unknown_value_are_ignored(watch: Watch) -> None:
    # Given a batch of which half the answers are still to come, some are misspelt, one is a name
    rows = watch.rows()
    known, rows["repaid"] = rows["repaid"], rows["repaid"].where(rows.index % 2 == 0, "pending")
    rows.loc[0, "repaid"], rows.loc[2, "repaid"] = "Yes", "Ada Lovelace"
    # When it is measured, then they are neither good nor bad, and a rare value is not repeated
    found = watch.look(saved(rows))
    assert found.labelled == 448
    said = (
        "labels: values that the target does not have (no, yes): 451, such as 'pending' 450 times"
    )
    assert said in found.reasons
    assert "Ada" not in found.model_dump_json()
    rows["repaid"] = known.where(rows.index % 2 == 0)
    rows.loc[[0, 2], "repaid"] = None
    whole = watch.look(saved(rows))
    assert [rule.value for rule in found.rules if rule.id.startswith("performance")] == [
        rule.value for rule in whole.rules if rule.id.startswith("performance")
    ]


@pytest.mark.parametrize(
    ("positive", "contract", "values", "target", "said"),
    [
        (True, ["True", "False"], ["TRUE", "false", "maybe", None], [1, 0, None, None], "): 1"),
        (1, [0, 1], [1.0, 0.0, 2.0, None], [1, 0, None, None], "): 1"),
        ("yes", ["no"], ["yes", "no", "Yes", " no"], [1, 0, None, None], "): 2"),
        ("yes", [], ["yes", "no", "late", None], [1, 0, 0, None], "has no set of values for"),
    ],
)
def test_a_label_is_read_as_training_reads_it(
    watch: Watch,
    positive: Any,
    contract: list[Any],
    values: list[Any],
    target: list[Any],
    said: str,
) -> None:
    # Given a contract that knows some values of the target
    one = {"type": "expect_column_values_to_be_in_set"}
    one["kwargs"] = {"column": "repaid", "value_set": contract}
    Path("contract.json").write_text(json.dumps({"expectations": [one]}), encoding="utf-8")
    data = watch.origin.data.model_copy(update={"positive": positive, "contract": "contract.json"})
    # When labels are read, then those that it does not know are none, and counted
    found, notes = label_values.target_of(pd.Series(values, dtype="object"), data)
    assert [None if pd.isna(value) else value for value in found] == target
    assert [said in note for note in notes] == [True]


def test_late_labels_have_their_drift_measured(watch: Watch) -> None:
    # Given labels of three days ago, and none of yesterday
    rows = watch.rows().drop(columns="repaid")
    served(watch, rows, "old", NOW - timedelta(days=3, hours=1))
    served(watch, rows, "new", NOW - timedelta(days=1))
    saved(
        pd.DataFrame({"request_id": "old", "row": range(ROWS), "label": watch.rows()["repaid"]}),
        "labels.csv",
    )
    labels = {"kind": "file", "path": "labels.csv"}
    # When that is how late they come
    found = watch.look(
        {"kind": "log"}, since=NOW - timedelta(days=2), label_delay_days=3, labels=labels
    )
    # Then the drift of the target is theirs, too
    assert (found.rows, found.labelled) == (ROWS, ROWS)
    assert verdicts(found)["performance.roc_auc"] == "healthy"
    assert verdicts(found)["drift.target"] == "healthy"


def test_the_labels_of_a_batch_that_is_not_measured_are_counted_all_the_same(watch: Watch) -> None:
    # Given a batch that is too old, of which all but 100 rows have a label
    rows = watch.rows(days=60)
    rows["repaid"] = rows["repaid"].where(rows.index >= 100)
    # When it is measured, then it is not, but nobody says that it has no labels
    found = watch.look(saved(rows))
    assert (found.level, found.labelled) == ("not_measured", ROWS - 100)
    # And so it is where the model's own column is lost, and where there is no row
    assert watch.look(saved(watch.rows().drop(columns="income"))).labelled == ROWS
    assert watch.look(saved(watch.rows().head(0))).labelled == 0

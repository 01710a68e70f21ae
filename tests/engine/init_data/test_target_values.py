"""A target with three or more values is drafted as classes; too many or too rare ones are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import strangers
import yaml

from governed_ml.core.config.composition import compose
from governed_ml.core.problem import Problem
from governed_ml.init_data.wishes import settings

THREE = ["stays", "leaves", "pauses"] * 200
RARE = [*["stays", "leaves"] * 297, *["pauses"] * 5, "dies"]


def drafted(base: Path, values: list[Any], *sets: str, **given: Any) -> Any:
    """Draft a table whose target has these values, without a favourable one."""
    table = strangers.customers(churned=values)
    return strangers.drafted(base, table, settings=settings([*sets]), **{"positive": None} | given)


PROPOSED: dict[str, tuple[list[Any], dict[str, Any], list[Any]]] = {
    "texts": (THREE, {}, ["leaves", "pauses", "stays"]),
    "numbers": ([10, 9, 8, -1] * 150, {"task": "classification"}, [-1, 8, 9, 10]),
    "decimals": ([0.5, 1, 2] * 200, {"task": "classification"}, [0.5, 1, 2]),
    "texts that YAML reads as something else": (["yes", "1", "on", "no"] * 150, {}, []),
}


@pytest.mark.parametrize("case", PROPOSED)
def test_every_value_is_a_class_and_no_favourable_one_is_asked(base: Path, case: str) -> None:
    # Given a person who must not be asked, when a table with such a target is drafted
    values, given, wanted = PROPOSED[case]
    found = drafted(base, values, **given)
    # Then the file lists every value, and says why
    keys = yaml.safe_load((base / "conf/data/customers.yaml").read_text(encoding="utf-8"))
    assert keys["classes"] == (wanted or sorted({str(one) for one in values}))
    assert not {"positive", "against"} & keys.keys()
    told = "; ".join(found.draft.why["churned"])
    assert f"the model predicts one of {len(set(values))} classes" in told
    # And it composes, to the same values
    assert set(compose(base / "conf").data.class_names) == {str(one) for one in values}


def test_three_values_are_asked_about_no_further(base: Path) -> None:
    asked: list[str] = []

    def ask(words: str, default: str | None) -> str:
        asked.append(words)
        return default or "no"

    table = strangers.customers(churned=THREE)
    found = strangers.drafted(base, table, ask, positive=None, dry=True)
    assert found.draft.keys["classes"] == ["leaves", "pauses", "stays"]
    assert not any("favourable" in words for words in asked)


def test_what_rows_and_spellings_leave_is_drafted(base: Path) -> None:
    # Given a condition and a spelling that leave three of four values
    for one in ("rows: churned <> 'dies'", "spellings: {churned: {dies: pauses}}"):
        found = drafted(base, RARE, one, dry=True)
        assert found.draft.keys["classes"] == ["leaves", "pauses", "stays"]
    # And a condition that leaves two, then a favourable one is wanted
    with pytest.raises(
        Problem, match=r"has 'leaves' \(297 rows\), 'stays' \(297 rows\): add --pos"
    ):
        drafted(base, RARE, "rows: churned IN ('stays', 'leaves')")


REFUSED: dict[str, tuple[list[Any], tuple[str, ...], str]] = {
    "too many": (
        [f"v{number % 60}" for number in range(600)],
        (),
        r"has 60 values \('v0' \(10 rows\), .* and 54 more\), .* at most 50: merge .* 'spellings: ",
    ),
    "no value": (THREE, ("classes: [stays, leaves, goes]",), "classes: 'goes' is no value of 'chu"),
    "left out": (
        RARE,
        ("classes: [stays, leaves, pauses]",),
        "classes does not list 'dies', which 'churned' has in 1 row: add it, merge it",
    ),
    "two answers": (
        THREE,
        ("classes: [stays, leaves, pauses]", "positive: stays"),
        "positive and classes are both set",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_cannot_be_classes_are_refused_with_a_way_out(base: Path, case: str) -> None:
    values, sets, words = REFUSED[case]
    with pytest.raises(Problem, match=words):
        drafted(base, values, *sets)
    assert not (base / "conf/data/customers.yaml").exists()


def test_classes_that_are_too_rare_are_named_before_training(base: Path) -> None:
    # Given a class of five rows and one of one row
    [line] = [one for one in drafted(base, RARE, dry=True).warnings if "evaluate.roc_auc" in one]
    # Then both are named, with the number of rows and what to do
    assert "'pauses' (5 rows), 'dies' (1 row)" in line
    assert "evaluate.roc_auc wants 100 test rows of each class, about 334 rows" in line
    assert "merge classes with `spellings`, leave their rows out with `rows`, or predict" in line
    # And against the rest, only the class that is predicted can be too rare
    [line] = [
        one
        for one in drafted(base, RARE, positive="dies", dry=True).warnings
        if "evaluate.roc_auc" in one
    ]
    assert "too few rows of 'dies' (1 row)" in line
    # And of classes that are not rare nothing is said
    assert not any("evaluate.roc_auc" in one for one in drafted(base, THREE, dry=True).warnings)


def test_another_target_forgets_what_was_said_of_the_first(base: Path) -> None:
    # Given a drafted target with classes, in a file that somebody edited
    drafted(base, THREE)
    path = base / "conf/data/customers.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    # When it is drafted again, then it keeps its classes, in their order
    assert drafted(base, THREE, dry=True).draft.keys["classes"] == ["leaves", "pauses", "stays"]
    # And `--positive` takes their place, and another target has its own
    one = drafted(base, THREE, positive="stays", dry=True).draft.keys
    assert (one["positive"], one["against"], one.get("classes")) == ("stays", "rest", None)
    other = drafted(base, THREE, target="balance", dry=True).draft.keys
    assert (other["task"], other.get("classes"), other.get("positive")) == ("regression",) + (
        None,
    ) * 2

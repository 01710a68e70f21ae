"""Check that the row counts of different stages agree (pure functions).

Every stage records how many rows it used. Evidence that was edited, or measured on other rows,
contradicts the other stages' counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from governed_ml.core.evidence import AnyEvidence, Collected, usable
from governed_ml.core.problem import counted

BOTH_PARTS = ("ingest", "validate")  # gates that count all rows, which `split` divides
OF_TEST_ROWS = ("evaluate", "explain")  # gates that use test rows only


class Count(NamedTuple):
    """Two counts of the same rows and where they are from.

    With `at_most`, the first count may be smaller than the second.
    """

    name: str
    who: str
    found: int
    whose: str
    wanted: int
    at_most: bool = False


def contradictions(evidence: Collected) -> dict[str, str]:
    """Return `counts.…` → which two counts differ.

    Missing evidence is ignored here, because other rules report it.
    """
    found = usable(evidence)
    counts = [*_rows(found), *_groups(found), *_behind(found)]
    return {
        f"counts.{one.name}": f"{one.who} {counted(one.found, 'row')}, {one.whose} {one.wanted:,}: "
        "run `uv run dvc repro`"
        for one in counts
        if (one.found > one.wanted if one.at_most else one.found != one.wanted)
    }


def _rows(found: dict[str, AnyEvidence]) -> Iterator[Count]:
    """Yield the counts of rows ingested, divided, trained on and measured."""
    if "split" not in found:
        return
    split = found["split"]
    train, test = (int(split.body.rows.get(part, 0)) for part in ("train", "test"))
    for gate in BOTH_PARTS:
        if gate in found:
            yield Count(
                f"{gate}_rows",
                f"{gate} counts",
                found[gate].body.rows,
                "split divides",
                split.body.whole,
            )
    for part, n in (("train", train), ("test", test)):
        metric = split.metrics.get(f"rows_{part}")
        if metric is not None and metric.value is not None:
            yield Count(
                f"rows_{part}", "the metric of split has", round(metric.value), "its table", n
            )
    if split.body.folds:
        who = "the folds have"
        yield Count("folds", who, sum(split.body.folds), "split divides", test)
        yield Count("rows_of_model", "split trains on", train, "it divides", test)
    for name, groups in split.body.sensitive.items():
        yield Count(
            f"split_{name}",
            f"the groups of {name} have",
            sum(groups.values()),
            "split divides",
            split.body.whole,
        )
        for group, values in (split.body.merged or {}).get(name, {}).items():
            yield Count(
                f"merged_{name}",
                f"the values merged into {group} of {name} have",
                sum(values.values()),
                "the group has",
                groups.get(group, 0),
            )
    for gate, rows, what, n in (
        ("train", "rows", "split leaves for training", train),
        ("evaluate", "rows", "split leaves for the test", test),
        ("drift", "reference_rows", "split leaves for training", train),
        ("drift", "current_rows", "split leaves for the test", test),
    ):
        if gate in found:
            counted: Any = getattr(found[gate].body, rows)
            yield Count(f"{gate}_{rows}", f"{gate} counts", counted, what, n)


def _groups(found: dict[str, AnyEvidence]) -> Iterator[Count]:
    """Yield the counts that must add up to the test rows: groups, intersections and outcomes."""
    if "evaluate" not in found:
        return
    evaluated = found["evaluate"].body
    if evaluated.confusion:
        yield Count(
            "confusion",
            "the confusion matrix has",
            sum(evaluated.confusion.values()),
            "evaluate counts",
            evaluated.rows,
        )
    for attribute in found["fairness"].body.attributes if "fairness" in found else ():
        name, groups = attribute.name, attribute.groups
        yield Count(
            f"groups_{name}",
            f"the groups of {name} have",
            sum(one.n for one in groups),
            "evaluate counts",
            evaluated.rows,
        )
        for outcome, n in evaluated.confusion.items():
            counted = sum(one.counts.get(outcome, 0) for one in groups)
            words = outcome.replace("_", " ")
            yield Count(
                f"{outcome}_{name}",
                f"{words}: the groups of {name} have",
                counted,
                "evaluate counts",
                n,
            )


def _behind(found: dict[str, AnyEvidence]) -> Iterator[Count]:
    """Yield the counts behind metrics of test rows, which must not exceed the test rows."""
    if "split" not in found:
        return
    test = int(found["split"].body.rows.get("test", 0))
    for gate in OF_TEST_ROWS:
        for name, metric in found[gate].metrics.items() if gate in found else ():
            if metric.n is not None:
                yield Count(
                    f"{gate}_{name}",
                    f"{gate}.{name} rests on",
                    metric.n,
                    "split leaves for the test",
                    test,
                    at_most=True,
                )

"""Faults in the data: the contract, drift, fairness, proxies, leaks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault, Nothing
from governed_ml.drill.scratch import Scratch
from governed_ml.pipeline.data.columns import groups_of

if TYPE_CHECKING:
    import pandas as pd

GATE = ("gate", "--json")
BEYOND = r"at (most|least) [\d.]+ allowed$"
FEW = 20_000  # rows to keep if several stages must run again
MOSTLY = 5  # four of five rows are damaged


def thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """Return about `FEW` rows, so that stages run faster."""
    return frame[frame[tables.ROW] % max(1, len(frame) // FEW) == 0].reset_index(drop=True)


def _promised(scratch: Scratch, kind: str) -> str:
    """Return the first column (not the target) for which the contract has this expectation."""
    data = scratch.params().data
    suite = json.loads((scratch.project / data.contract).read_text(encoding="utf-8"))
    for one in suite["expectations"]:
        column = one["kwargs"].get("column")
        if one["type"] == kind and column not in (None, data.target):
            return str(column)
    return data.target  # every contract expects that it exists and has no nulls


def rewrite(scratch: Scratch, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Replace a table in the copy."""
    table = scratch.project / path
    frame = change(tables.read(table))
    table.unlink()  # it may be a link into DVC's cache
    tables.write(frame, table)


def regroup(scratch: Scratch, path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change groups in a sensitive table, and the raw table accordingly."""
    rewrite(scratch, path, change)
    data = scratch.params().data
    told = tables.read(scratch.project / path).set_index(tables.ROW)

    def retold(raw: pd.DataFrame) -> pd.DataFrame:
        known = groups_of(raw, data)
        for name in data.sensitive:
            some = raw[name].groupby(known[name], sort=False).first()  # one raw value of each group
            other = told[name][told[name].to_numpy() != known[name].to_numpy()[told.index]]
            raw.loc[other.index, name] = other.map(some).to_numpy()
        return raw

    rewrite(scratch, tables.RAW, retold)


def schema(scratch: Scratch) -> Sign:
    """Rename a column that the contract requires."""
    name = _promised(scratch, "expect_column_values_to_not_be_null")
    rewrite(scratch, tables.RAW, lambda frame: frame.rename(columns={name: f"{name}_renamed"}))
    return Sign(rf"missing [^;]*{re.escape(name)}|there is no column {re.escape(name)}")


def nulls(scratch: Scratch) -> Sign:
    """Remove most values of a column that must not have nulls."""
    name = _promised(scratch, "expect_column_values_to_not_be_null")
    rewrite(
        scratch,
        tables.RAW,
        lambda frame: frame.assign(**{name: frame[name].where(frame.index % MOSTLY == 0)}),
    )
    return Sign(rf"{re.escape(name)}: [\d.]+ % null")


def drift(scratch: Scratch) -> Sign:
    """Shift a feature of the test rows far from the training rows."""
    rule = scratch.rule("drift.{each}.psi_quantile10").id
    numeric, categorical = scratch.features()
    name = scratch.passing(rule, numeric + categorical)

    def moved(frame: pd.DataFrame) -> pd.DataFrame:
        column = frame[name]
        if name not in numeric:
            return frame.assign(**{name: column.mode()[0]})
        return frame.assign(**{name: column + 10 * (1 + column.max() - column.min())})

    rewrite(scratch, tables.TRAIN, thinned)
    rewrite(scratch, tables.TEST, lambda frame: moved(thinned(frame)))
    scratch.must("stage", "evaluate")
    scratch.must("stage", "drift")
    return Sign(BEYOND, f"{rule}[{name}]")


def leak(scratch: Scratch) -> Sign:
    """Replace a feature by the target with a little noise."""
    rule = scratch.rule("evaluate.leak.{each}").id
    name = scratch.passing(rule, scratch.features()[0])

    def copied(frame: pd.DataFrame) -> pd.DataFrame:
        spread = float(frame[tables.TARGET].max() - frame[tables.TARGET].min())
        noise = frame[tables.ROW] % 97 / 97 * spread / 100
        return frame.assign(**{name: frame[tables.TARGET] + noise})

    for path in (tables.TRAIN, tables.TEST):
        rewrite(scratch, path, lambda frame: copied(thinned(frame)))
    scratch.must("stage", "evaluate")
    return Sign(rf"{re.escape(name)} alone predicts the target", f"{rule}[{name}]")


def _largest(scratch: Scratch, count: int) -> dict[str, list[str]]:
    """Return attribute → its two largest groups, for the first `count` attributes that have two."""
    people = tables.read(scratch.project / tables.SENSITIVE_TEST)
    found = {
        name: [str(group) for group in people[name].value_counts().index[:2]]
        for name in scratch.params().data.sensitive
        if people[name].nunique() > 1
    }
    if len(found) < count:
        raise Nothing(
            f"the fault needs {count} sensitive attributes with two groups, and there are "
            f"{len(found)}"
        )
    return dict(list(found.items())[:count])


def _favoured(scratch: Scratch) -> pd.Series[bool]:
    """Return test row → whether its outcome is favourable, or above the median in a regression."""
    found = tables.read(scratch.project / tables.PREDICTIONS)
    values = found[found["part"] == "test"].set_index(tables.ROW)["prediction"]
    if scratch.params().data.task == "regression":
        return values > values.median()
    return chosen(values, scratch)


def chosen(prediction: pd.Series, scratch: Scratch) -> pd.Series[bool]:
    """Return whether a prediction is the favourable value, or the most frequent one of classes."""
    return prediction == (prediction.mode()[0] if scratch.params().data.multiclass else 1)


def _gap(scratch: Scratch) -> str:
    """Return the name of the rule about unequal treatment for the project's task."""
    kind = {"classification": "demographic_parity", "regression": "mean_prediction"}
    return scratch.rule(f"fairness.{{each}}.{kind[scratch.params().data.task]}_difference").id


def bias(scratch: Scratch) -> Sign:
    """Reassign rows of two groups, so that favourable outcomes go to the less favoured one only."""
    rule, [(name, pair)] = _gap(scratch), _largest(scratch, 1).items()
    good = _favoured(scratch)
    people = tables.read(scratch.project / tables.SENSITIVE_TEST).set_index(tables.ROW)
    share = good[people.index].groupby(people[name]).mean()
    low, high = sorted(pair, key=lambda group: share[group], reverse=True)

    def biased(frame: pd.DataFrame) -> pd.DataFrame:
        told = good[frame[tables.ROW]].map({True: high, False: low}).to_numpy()
        spoilt = frame[name].isin(pair) & (frame.index % MOSTLY != 0)
        return frame.assign(**{name: frame[name].mask(spoilt, told)})

    regroup(scratch, tables.SENSITIVE_TEST, biased)
    scratch.must("stage", "fairness")
    return Sign(rf"{re.escape(low)} vs {re.escape(high)};.*{BEYOND}", f"{rule}[{name}]")


def subgroup(scratch: Scratch) -> Sign:
    """Reassign groups, so that only two intersections get favourable outcomes.

    Single attributes then show no gap.
    """
    rule, [(one, (a, b)), (two, (c, d))] = _gap(scratch), _largest(scratch, 2).items()
    good = _favoured(scratch)

    def crossed(frame: pd.DataFrame) -> pd.DataFrame:
        odd = frame[tables.ROW] % 2 == 1
        mine = good.reindex(frame[tables.ROW], fill_value=False).to_numpy()
        return frame.assign(
            **{
                one: odd.map({True: a, False: b}).astype("str"),
                two: (odd == mine).map({True: c, False: d}).astype("str"),
            }
        )

    for path in (tables.SENSITIVE_TRAIN, tables.SENSITIVE_TEST):
        regroup(scratch, path, crossed)
    scratch.must("stage", "fairness")
    groups = rf"(?:{re.escape(a)}|{re.escape(b)})\*(?:{re.escape(c)}|{re.escape(d)})"
    return Sign(rf"{groups} vs {groups};.*{BEYOND}", f"{rule}[{one}*{two}]")


def proxy(scratch: Scratch) -> Sign:
    """Replace a feature by a copy of a sensitive attribute."""
    rule, [(name, (a, b))] = (
        scratch.rule("fairness.{each}.proxy_auc").id,
        _largest(scratch, 1).items(),
    )
    numeric, categorical = scratch.features()
    train = tables.read(scratch.project / tables.TRAIN)
    spread = {feature: train[feature].nunique() for feature in numeric + categorical}
    feature = max(spread, key=lambda one: spread[one])
    values = train[feature] if feature in numeric else train[feature].astype("category").cat.codes
    above = (values > values.median()).set_axis(train[tables.ROW])
    regroup(
        scratch,
        tables.SENSITIVE_TRAIN,
        lambda frame: frame.assign(
            **{name: above[frame[tables.ROW]].map({True: a, False: b}).astype("str").to_numpy()}
        ),
    )
    scratch.must("stage", "fairness")
    words = rf"carried by {re.escape(feature)} \((1\.00|0\.9\d) alone\)"
    return Sign(words, f"{rule}[{name}]")


FAULTS = (
    Fault("schema", "a column was renamed", (8,), ("stage", "validate"), schema),
    Fault("nulls", "a column is mostly empty", (7,), ("stage", "validate"), nulls),
    Fault("drift", "the distribution of a feature has shifted", (8,), GATE, drift),
    Fault("bias", "the model favours one group", (10,), GATE, bias),
    Fault("subgroup", "the model favours one intersection of groups", (10,), GATE, subgroup),
    Fault("proxy", "a feature copies a sensitive attribute", (), GATE, proxy),
    Fault("leak", "a feature copies the target", (), GATE, leak),
)

"""A project's facts, worked out from the raw table and the raw predictions.

Of the pipeline's files only `data/predictions.parquet` is believed (which row is a test row, its
score and its prediction). Features, target and groups are made again from the CSV. A few numbers
are taken from the evidence: `proxy_auc` (a fit on a hashed sample), `coverage` (needs SHAP) and
`flip_share` (its noise) are checked for plausibility in `test_real_tables.py`.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plain_measures as plain
import yaml
from plain_fairness import fairness, group_error
from plain_measures import Number
from sklearn.metrics import r2_score, roc_auc_score


def load(path: Path) -> Any:
    """Read YAML or JSON."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


class Facts:
    """A project's table and predictions, by row number of the CSV."""

    def __init__(self, folder: Path, name: str) -> None:
        """Read the configuration, the CSV and the predictions."""
        self.folder, self.data = folder, load(folder / "conf" / "data" / f"{name}.yaml")
        source = self.data["source"]
        missing = source.get("missing", [""])
        self.raw = pd.read_csv(folder / source["path"], keep_default_na=False, na_values=missing)
        self.predictions = pd.read_parquet(folder / "data" / "predictions.parquet")
        self.predictions = self.predictions.set_index("__row")
        self.test = self.predictions[self.predictions["part"] == "test"]
        self.train = self.predictions[self.predictions["part"] == "train"]
        self.task = self.data["task"]

    @cached_property
    def target(self) -> pd.Series:
        """The favourable value as 1, any other as 0; for regression the number."""
        column = self.raw[self.data["target"]]
        if self.task == "regression":
            return column.astype(float)
        return (column.astype(str) == str(self.data["positive"])).astype(int)

    @cached_property
    def features(self) -> pd.DataFrame:
        """Numbers as float, everything else as text; null stays null."""
        other = [self.data["target"], *self.data.get("sensitive", {}), *self.data.get("drop", [])]
        other += [self.data.get("time"), self.data.get("group")]
        chosen = {name: self.raw[name] for name in self.raw.columns if name not in other}
        codes = self.data.get("categorical", [])
        return pd.DataFrame(
            {
                name: column.astype(float)
                if pd.api.types.is_numeric_dtype(column) and name not in codes
                else column.astype(str).where(column.notna(), None).astype(object)
                for name, column in chosen.items()
            }
        )

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Each sensitive attribute as the name of a group."""
        found = {}
        for name, how in self.data.get("sensitive", {}).items():
            column = self.raw[name]
            if "bins" in how:
                edges = how["bins"]
                names = [
                    f"<{edges[0]}",
                    *(f"{a}-{b}" for a, b in pairwise(edges)),
                ]
                place = np.digitize(column, edges)
                found[name] = np.array([*names, f">={edges[-1]}"])[place]
            else:
                labels = how.get("labels", {})
                values = ["missing" if pd.isna(x) else x for x in column]
                found[name] = [str(labels.get(x, x)) for x in values]
        return pd.DataFrame(found, index=self.raw.index).astype(str)

    @property
    def intersections(self) -> list[tuple[str, ...]]:
        """The attributes, then their intersections."""
        names = list(self.data.get("sensitive", {}))
        return [c for size in range(1, len(names) + 1) for c in combinations(names, size)]

    def evidence(self, gate: str) -> dict[str, Any]:
        """What the pipeline wrote down."""
        return load(self.folder / "reports" / "evidence" / f"{gate}.json")["metrics"]

    @lru_cache(maxsize=1)  # noqa: B019 - the policies share their confidence, and Facts are few
    def numbers(self, level: float) -> dict[str, Number]:
        """Return every metric that a policy names."""
        found = {"split.rows_test": Number(len(self.test)), "fairness.attributes": Number(0)}
        found |= self.performance(level) | self.drift()
        found["validate.failed_expectations"] = Number(self.broken_expectations())
        found["split.overlap_share"] = Number(self.overlap())
        for name in self.features:
            x = self.features[name]
            sides = (x[self.train.index], x[self.test.index])
            y = (self.target[self.train.index], self.target[self.test.index])
            found[f"evaluate.leak.{name}"] = Number(plain.leak(sides, y, self.task))
        measure = fairness if self.task == "classification" else group_error
        if self.data.get("group"):
            assert self.task == "regression", "no classification by person is worked out here"
            person = self.raw[self.data["group"]][self.test.index]
            measure = partial(group_error, person=person)
        for columns in self.intersections:
            groups = self.groups[list(columns)]
            rows = self.test.index
            target, prediction = self.target[rows], self.test["prediction"]
            part = measure(groups.loc[rows], groups, target, prediction, level)
            found |= {f"fairness.{'*'.join(columns)}.{name}": n for name, n in part.items()}
        return found | self.believed()

    def performance(self, level: float) -> dict[str, Number]:
        """ROC AUC and calibration, or R²."""
        y, score = self.target[self.test.index].to_numpy(), self.test["score"].to_numpy()
        if self.task == "regression":
            return {"evaluate.r2": Number(float(r2_score(y, score)), n=len(y))}
        n = int(min(y.sum(), len(y) - y.sum()))
        answer = self.test["prediction"].to_numpy()
        varies = answer.min() != answer.max()
        avoided = 1 - float((answer != y).sum()) / n if varies else None
        return {
            "evaluate.errors_avoided": Number(avoided, n=len(y)),
            "evaluate.roc_auc": Number(float(roc_auc_score(y, score)), n=n),
            "evaluate.expected_calibration_error": Number(
                plain.calibration_error(y, score), *plain.calibration_bounds(y, score, level), n
            ),
        }

    def drift(self) -> dict[str, Number]:
        """PSI of each feature, of the target and of the score."""
        target = self.target if self.task == "regression" else self.target.astype(str)
        columns = {name: self.features[name] for name in self.features}
        columns |= {"target": target, "prediction": self.predictions["score"]}
        n = min(len(self.train), len(self.test))
        return {
            f"drift.{name}.psi_quantile10": Number(
                plain.population_stability_index(column[self.train.index], column[self.test.index]),
                n=n,
            )
            for name, column in columns.items()
        }

    def overlap(self) -> float:
        """Share of test rows whose features and target stand in train, too."""
        whole = self.features.assign(__target=self.target).astype(object)
        whole = whole.where(whole.notna(), None)
        known = set(whole.loc[self.train.index].itertuples(index=False, name=None))
        twins = whole.loc[self.test.index].itertuples(index=False, name=None)
        return sum(row in known for row in twins) / len(self.test)

    def broken_expectations(self) -> int:
        """Count the contract's expectations that the CSV breaks."""
        suite = load(self.folder / self.data["contract"])["expectations"]
        assert len(suite) > len(self.raw.columns)
        return sum(not self.keeps(one["type"], one["kwargs"]) for one in suite)

    def keeps(self, kind: str, limits: dict[str, Any]) -> bool:
        """Return whether the CSV keeps one expectation; an unknown kind is an error."""
        if kind == "expect_table_row_count_to_be_between":
            return len(self.raw) >= limits["min_value"]
        if kind == "expect_table_columns_to_match_set":
            return set(limits["column_set"]) == set(self.raw.columns)
        column = self.raw[limits["column"]]
        values = column.dropna()
        return {
            "expect_column_values_to_not_be_null": column.notna().mean() >= limits.get("mostly", 1),
            "expect_column_values_to_be_in_set": values.isin(limits.get("value_set", [])).all(),
            "expect_column_values_to_be_of_type": not pd.api.types.is_numeric_dtype(column),
            "expect_column_values_to_be_between": "min_value" in limits
            and ((values >= limits["min_value"]) & (values <= limits["max_value"])).all(),
        }[kind]

    def believed(self) -> dict[str, Number]:
        """The kinds of numbers that are taken from the evidence."""
        proxies = {f"{name}.proxy_auc" for name in self.data.get("sensitive", {})}
        groups, coverage = self.evidence("fairness"), self.evidence("explain")["coverage"]
        found = {f"fairness.{name}": Number(groups[name]["value"]) for name in proxies}
        evaluated = self.evidence("evaluate")
        for name in ("leak_together", "leak_model"):
            found[f"evaluate.{name}"] = Number(evaluated[name]["value"])
        flips = {key: evaluated["flip_share"][key] for key in Number._fields}
        found["evaluate.flip_share"] = Number(**flips)
        return found | {"explain.coverage": Number(coverage["value"], n=coverage["n"])}

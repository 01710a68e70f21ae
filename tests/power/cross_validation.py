"""Simulate how often a rule passes wrongly if rows are tested by cross-validation.

    python tests/power/cross_validation.py

Each line of the table simulates tables of two groups. The truth is that of the released model, that
is trained on all rows, on 20,000 new rows. A rule passes wrongly if its limit is the true value and
the whole interval is inside of it. Takes about an hour on two cores; `bounds.py` writes the page.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from page_lines import Lines, head, row, wrapped
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

fairness, performance, cross_validated, bounds, quantiles = (
    import_module(f"governed_ml.measures.{name}")
    for name in (
        "fairness",
        "performance",
        "bounds.cross_validated",
        "bounds.performance_bounds",
        "bounds.quantiles",
    )
)
Metric = import_module("governed_ml.core.evidence").Metric

CONFIDENCE, NEW = 0.95, 20_000
FOUND = Path(__file__).with_name("cross_validation.json")
"""The results, so that the page can be written without an hour of simulation."""


class Case(NamedTuple):
    """One line: the model, rows, features, folds, simulated tables, the seed and the groups."""

    model: str
    rows: int
    features: int
    folds: int
    tables: int
    seed: int
    shift: float


CASES = [
    *(Case("logistic regression", n, p, 5, 800, n + p, 0.35) for n in (200, 500) for p in (5, 20)),
    *(
        Case("logistic regression", n, p, 5, 800, n + p, 0.35)
        for n in (1_000, 2_000)
        for p in (5, 20)
    ),
    *(
        Case("logistic regression", n, p, 5, 500, n + p, 1.0)
        for n in (200, 500, 1_000)
        for p in (5, 20)
    ),
    *(Case("boosted trees", n, 5, 5, 250, n + 5, 0.35) for n in (200, 500, 1_000)),
    *(Case("boosted trees", n, 5, 5, 200, n, 1.0) for n in (200, 500)),
]
RULES = {
    "demographic_parity_difference": "demographic parity",
    "demographic_parity_ratio": "four fifths",
    "equal_opportunity_difference": "equal opportunity",
    "equalized_odds_difference": "equalized odds",
    "flip_share": "robustness",
    "expected_calibration_error": "calibration",
}
"""Metric → its name in the table. A rule passes by the upper bound, for the ratio by the lower."""


def drawn(rows: int, case: Case, rng: Any) -> tuple[Any, Any, Any, Any]:
    """Return features, group, label and the true probability of new rows."""
    group = (rng.random(rows) < 0.5).astype(int)
    features = rng.normal(size=(rows, case.features))
    features[:, 0] += case.shift * group
    weights = np.array([1.0, 0.8, 0.5] + [0.0] * (case.features - 3))
    odds = features @ weights + 0.2 * (features[:, 3] > 0) * features[:, 1] - 0.1
    chance = 1 / (1 + np.exp(-odds))
    label = (rng.random(rows) < chance).astype(int)
    return features, group, label, chance


def fitted(case: Case, features: Any, label: Any) -> Any:
    """Fit a model of the case."""
    made: Any = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    if case.model == "boosted trees":
        made = HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=100, max_leaf_nodes=15, min_samples_leaf=20, random_state=0
        )
    return made.fit(features, label)


def simulated(case: Case, rng: Any, number: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Cross-validate one table; return the metrics and the truth about the released model."""
    features, group, label, _ = drawn(case.rows, case, rng)
    new, new_group, _, chance = drawn(NEW, case, rng)
    score, answer = np.zeros(case.rows), np.zeros(case.rows)
    flipped = np.zeros(case.rows, bool)
    noise = rng.normal(size=features.shape) * 0.05
    released = fitted(case, features, label)
    folds = StratifiedKFold(case.folds, shuffle=True, random_state=number)
    for train, test in folds.split(features, label):
        model = fitted(case, features[train], label[train])
        score[test] = model.predict_proba(features[test])[:, 1]
        answer[test] = model.predict(features[test])
        moved = features[test] + noise[test] * features[train].std(axis=0)
        flipped[test] = model.predict(moved) != answer[test]
    given = released.predict(new)
    shaken = rng.normal(size=new.shape) * 0.05 * features.std(axis=0)
    truth = true_gaps(new_group, given, chance)
    truth["flip_share"] = float((released.predict(new + shaken) != given).mean())
    truth["expected_calibration_error"] = true_error(released.predict_proba(new)[:, 1], chance)
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    np.add.at(counts, (group, label, answer.astype(int)), 1)
    found = fairness.measured(["a", "b"], counts, CONFIDENCE, fairness.plain_points)
    hits = int(flipped.sum())
    flips = quantiles.wilson(hits, case.rows, quantiles.normal_quantile(CONFIDENCE, 1))
    found["flip_share"] = Metric(
        value=hits / case.rows, lower=float(flips.lower), upper=float(flips.upper)
    )
    bins = performance.reliability(label.astype(float), score)
    low, high = bounds.calibration_error_bounds(bins, CONFIDENCE)
    found["expected_calibration_error"] = Metric(
        value=performance.calibration_error(bins), lower=low, upper=high
    )
    return found, truth


def true_gaps(group: Any, given: Any, chance: Any) -> dict[str, float]:
    """Return the gaps between both groups, from the true probability of a positive label."""
    rates: list[list[float]] = []
    for mine in (group == 0, group == 1):
        one, yes = given[mine], chance[mine]
        no = 1 - yes
        rates.append([one.mean(), (one * yes).sum() / yes.sum(), (one * no).sum() / no.sum()])
    a, b = np.array(rates)
    return {
        "demographic_parity_difference": abs(a[0] - b[0]),
        "demographic_parity_ratio": min(a[0] / b[0], b[0] / a[0]),
        "equal_opportunity_difference": abs(a[1] - b[1]),
        "equalized_odds_difference": max(abs(a[1] - b[1]), abs(a[2] - b[2])),
    }


def true_error(score: Any, chance: Any) -> float:
    """Return the calibration error of scores, from the true probability of a positive label."""
    parts = np.array_split(np.argsort(score), 10)
    return sum(len(one) * abs(score[one].mean() - chance[one].mean()) for one in parts) / NEW


def wrong(metric: Any, truth: float, name: str) -> bool:
    """Whether a rule whose limit is the truth would pass: the interval is inside of it."""
    if metric.value is None:
        return False
    return bool(metric.lower > truth if name.endswith("_ratio") else metric.upper < truth)


def passes(case: Case, tables: int | None = None) -> dict[str, list[float]]:
    """Return metric → the share of tables that pass wrongly, with plain and with wider bounds."""
    rng = np.random.default_rng(case.seed)
    seen: dict[str, list[tuple[bool, bool]]] = {name: [] for name in RULES}
    for number in range(tables or case.tables):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, truth = simulated(case, rng, number)
        wider = cross_validated.widened(found)
        for name in RULES:
            both = (wrong(one[name], truth[name], name) for one in (found, wider))
            seen[name].append(tuple(both))
    return {name: [float(share) for share in np.mean(one, axis=0)] for name, one in seen.items()}


def of_folds() -> Lines:
    """Return the section of the page, from the results in `FOUND`."""
    known = json.loads(FOUND.read_text(encoding="utf-8"))
    lines = [
        "## Cross-validation",
        "",
        *wrapped(
            f"""With `split: cross_validated`, the rows of each fold are predicted by a model of
            their own, and the released model is trained on all rows. Bounds that treat these
            predictions as those of one model are too narrow (Bates, Hastie & Tibshirani 2023). So
            all bounds are wider: the variance counts {cross_validated.VARIANCE:g} times. Each line
            simulates tables of two groups, for which the limit of each rule is the true value of
            the released model, so every pass is wrong. *Shift* is the difference between the
            groups in one feature. *Before*: plain bounds. *After*: wider bounds. Calibration
            compares the upper bound with the truth; no shipped rule uses that bound."""
        ),
        *head(
            "model, rows, features, folds, shift",
            *(f"{words}: {when}" for words in RULES.values() for when in ("before", "after")),
        ),
    ]
    worst = {"before": 0.0, "after": 0.0}
    for one in known:
        case = Case(*one["case"])
        name = f"{case.model}, {case.rows:,}, {case.features}, {case.folds}, {case.shift:g}"
        shares = [share for rule in RULES for share in one["passes"][rule]]
        worst["before"] = max(worst["before"], *shares[::2])
        worst["after"] = max(worst["after"], *shares[1::2])
        lines.append(row(name, *(f"{share:.1%}" for share in shares)))
    return [
        *lines,
        "",
        *wrapped(
            f"""The largest share of wrong passes is {worst["before"]:.1%} before and
            {worst["after"]:.1%} after."""
        ),
    ]


def main() -> None:
    """Simulate every case and keep the results."""
    found: list[dict[str, Any]] = []
    for case in CASES:
        found.append({"case": list(case), "passes": passes(case)})
        print(*case, found[-1]["passes"], flush=True)
        FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

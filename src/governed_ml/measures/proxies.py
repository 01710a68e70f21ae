"""Proxies: how well the features predict a sensitive attribute, and which features do so.

The metric is the ROC AUC of one group against all others (one-vs-rest: Fawcett 2006, Pattern
Recognition Letters 27:861, section 9), for the group with the highest AUC. A mean over groups would
hide the group that the features reveal.

A classifier is trained on the first rows of a sample and evaluated on the others, so that the AUC
is not inflated by overfitting. If rows belong to persons, no person has rows in both parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Proxy
from governed_ml.core.problem import Unusable
from governed_ml.measures.groups import Floats, Integers, listed, undefined
from governed_ml.measures.strongest import how_found, strongest

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier

LEARNT = 0.6  # share of the sample that is used for training
FEWEST = 30  # least rows of a group in the training and in the evaluation part
TREES = 400  # most trees for all groups together
ROUNDS = (8, 40)  # least and most trees per group
BINS = 64  # quantile bins of a single feature
NAMED = 5  # most features named in the note
STRONG = 0.55  # least ROC AUC of a single feature to be named
MISSED = 0.05  # least loss of ROC AUC by shuffling a feature for it to be named
FOUND = "features predict a sensitive attribute (ROC AUC; 0.5: not at all)"


@dataclass(frozen=True)
class Sample:
    """The encoded features and one attribute's group codes, for training and for evaluation.

    A group code is an index into `names`. `small` are the groups that are left out.
    """

    learnt: Floats
    judged: Floats
    learnt_group: Integers
    judged_group: Integers
    names: tuple[str, ...]
    small: tuple[str, ...] = ()

    @property
    def groups(self) -> int:
        """Return the number of groups."""
        return len(self.names)


def measure(
    features: pd.DataFrame, sensitive: pd.DataFrame, person: np.ndarray | None = None
) -> tuple[dict[str, Metric], list[Proxy], list[Finding]]:
    """Measure how well features predict each attribute: a metric, the features, and a finding.

    `features` has the shape (rows, features), numbers or text; `sensitive` the shape (rows,
    attributes), group names. Both are in the same random order. `person`, of shape (rows,), is the
    person of each row; a person's rows must be adjacent, and all of them are in the same part of
    the sample.
    """
    matrix = encoded(features)
    cut = boundary(len(matrix), person)
    metrics: dict[str, Metric] = {}
    proxies: list[Proxy] = []
    findings: list[Finding] = []
    for attribute in map(str, sensitive.columns):
        found = sample(matrix, sensitive[attribute].to_numpy(dtype=object), cut)
        if isinstance(found, Unusable):
            metrics[f"{attribute}.proxy_auc"] = undefined(found.reason)
            proxies.append(Proxy(attribute=attribute, score=None, carriers={}))
            continue
        model, score, place = joint_auc(found)
        alone = [
            (str(name), feature_auc(found, i, place)) for i, name in enumerate(features.columns)
        ]
        ranked = sorted(alone, key=lambda item: (-item[1], item[0]))
        carriers = carried(ranked)
        if score - ranked[0][1] >= MISSED:
            carriers += together(missed(model, found, place, [name for name, _ in alone]))
            carriers += how_found(len(alone))
        smallest = int(np.bincount(found.judged_group, minlength=found.groups).min())
        carriers = f"{of_many(found, place)}{carriers}{left_out(found)}"
        metrics[f"{attribute}.proxy_auc"] = Metric(value=score, n=smallest, note=carriers)
        proxies.append(Proxy(attribute=attribute, score=score, carriers=dict(ranked[:10])))
        findings.append(Finding(what=FOUND, where=f"{attribute}: {carriers}", value=score))
    return metrics, proxies, findings


def carried(ranked: list[tuple[str, float]]) -> str:
    """Return which features predict the group on their own; `ranked` is sorted by ROC AUC."""
    strong = [f"{name} ({auc:.2f} alone)" for name, auc in ranked[:NAMED] if auc >= STRONG]
    if strong:
        return f"carried by {', '.join(strong)}"
    return f"no single feature carries it (most: {ranked[0][0]}, {ranked[0][1]:.2f})"


def together(losses: list[tuple[str, float]]) -> str:
    """Return which features the classifier needs in combination; `losses` is sorted."""
    needed = [f"{name} (−{loss:.2f} without it)" for name, loss in losses[:NAMED] if loss >= MISSED]
    return f"; together with others: {', '.join(needed)}" if needed else ""


def of_many(found: Sample, place: int) -> str:
    """Return which group the metric is about, if there are more than two groups."""
    return f"{found.names[place]} against all others: " if found.groups > 2 else ""


def left_out(found: Sample) -> str:
    """Return which groups are too small to evaluate."""
    return f"; not judged, fewer than {FEWEST} rows: {listed(list(found.small))}" * bool(
        found.small
    )


def boundary(rows: int, person: np.ndarray | None) -> int:
    """Return the number of training rows: about `LEARNT` of all, not dividing a person's rows."""
    cut = int(rows * LEARNT)
    if person is None:
        return cut
    ends = np.flatnonzero(person[1:] != person[:-1]) + 1
    return int(ends[np.abs(ends - cut).argmin()]) if len(ends) else rows


def encoded(features: pd.DataFrame) -> Floats:
    """Return features as ranks, which is all that a tree uses; shape (rows, features).

    Numbers are ranked by size, text by frequency (ties by name). A null is −1.
    """
    columns: list[Floats] = []
    for name in features.columns:
        column = features[name]
        counts = column.value_counts()
        values = list(counts.index)
        if column.dtype.kind in "fiub":
            values.sort()
        else:
            values.sort(key=lambda value: (-int(counts[value]), str(value)))
        rank = {value: float(place) for place, value in enumerate(values)}
        columns.append(np.array([rank.get(value, -1.0) for value in column], dtype=np.float64))
    return np.column_stack(columns)


def sample(matrix: Floats, group: np.ndarray, cut: int) -> Sample | Unusable:
    """Return the training and evaluation parts, with only the groups that are large enough in both.

    The first `cut` rows are for training. Return why there is nothing to measure if too few groups
    are left.
    """
    sizes: dict[str, int] = {}
    for name in sorted({str(value) for value in group}):
        mine = group == name
        sizes[name] = min(int(mine[:cut].sum()), int(mine[cut:].sum()))
    ranked = sorted(sizes, key=lambda name: (-sizes[name], name))
    kept = [name for name in ranked if sizes[name] >= FEWEST]
    if len(kept) < 2:
        few = listed([f"{name} ({sizes[name]:,})" for name in ranked])
        wanted = f"{FEWEST} rows to learn from and to judge"
        return Unusable(f"fewer than two groups with {wanted}: {few}")
    code = np.full(len(group), -1, dtype=np.int64)
    for place, name in enumerate(kept):
        code[group == name] = place
    first = np.arange(len(group)) < cut
    learnt, judged = first & (code >= 0), ~first & (code >= 0)
    small = tuple(f"{name} ({sizes[name]:,})" for name in ranked[len(kept) :])
    sides = matrix[learnt], matrix[judged], code[learnt], code[judged]
    return Sample(*sides, tuple(kept), small)


def joint_auc(found: Sample) -> tuple[HistGradientBoostingClassifier, float, int]:
    """Train a classifier of the groups; return it, the highest one-vs-rest AUC, and that group."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rounds = int(np.clip(TREES // found.groups, *ROUNDS))
    model = HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=0.15, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    model.fit(found.learnt, found.learnt_group)
    probability = model.predict_proba(found.judged)
    places = range(found.groups) if found.groups > 2 else (1,)
    scores = {place: _auc(probability, found, place) for place in places}
    best = max(scores, key=lambda place: scores[place])
    return model, scores[best], best


def missed(
    model: HistGradientBoostingClassifier, found: Sample, place: int, names: list[str]
) -> list[tuple[str, float]]:
    """Return the loss of ROC AUC if each feature is shuffled (Breiman 2001), largest first.

    This finds features that predict the group only in combination.
    """
    order = np.random.default_rng(0).permutation(len(found.judged))
    score = _auc(model.predict_proba(found.judged), found, place)
    places = {name: column for column, name in enumerate(names)}

    def loss(some: list[str]) -> float:
        columns = [places[name] for name in some]
        shuffled = found.judged.copy()
        shuffled[:, columns] = shuffled[order][:, columns]
        return score - _auc(model.predict_proba(shuffled), found, place)

    return strongest(sorted(names), loss, NAMED)


def feature_auc(found: Sample, column: int, place: int) -> float:
    """Return the ROC AUC of one feature alone, scored by the group's share in each of its bins."""
    steps = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(found.learnt[:, column], steps, method="inverted_cdf"))
    counts = [np.zeros((len(edges) + 1, found.groups)) for _ in range(2)]
    sides = ((found.learnt, found.learnt_group), (found.judged, found.judged_group))
    for table, (rows, group) in zip(counts, sides, strict=True):
        np.add.at(table, (np.searchsorted(edges, rows[:, column]), group), 1)
    prior = counts[0].sum(axis=0) / counts[0].sum()
    share = (counts[0] + prior) / (counts[0].sum(axis=1, keepdims=True) + 1)
    return _auc(share[np.searchsorted(edges, found.judged[:, column])], found, place)


def _auc(probability: Floats, found: Sample, place: int) -> float:
    """Return one group's ROC AUC against all others; `probability` is (evaluated rows, groups).

    It is computed from a sum of ranks, which is exact, so equally good features tie and are sorted
    by name. scikit-learn's integral may differ in the last digit.
    """
    from scipy.stats import rankdata

    mine = found.judged_group == place
    n = int(mine.sum())
    ranks = rankdata(probability[:, place])[mine].sum()
    return float((ranks - n * (n + 1) / 2) / (n * (len(mine) - n)))

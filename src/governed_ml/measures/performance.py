"""Performance on the test rows: scikit-learn's metrics, calibration, and thinned-out curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.evidence import Metric
from governed_ml.core.evidence_bodies import Bin
from governed_ml.measures.bounds import performance_bounds
from governed_ml.measures.groups import constant, undefined
from governed_ml.measures.strongest import how_found, strongest

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

CURVE_POINTS = 200
SHUFFLED = 2_000  # most rows used for permutation importance
NAMED = 3  # features named in the note, the most important first


def classification(
    target: Floats,
    score: Floats,
    prediction: Floats,
    confidence: float | None = None,
    effect: float = 1.0,
) -> dict[str, Metric]:
    """Return the metrics of a binary classifier.

    `target` and `prediction` are 0 or 1, `score` is the probability of 1; all have the shape
    (rows,). With `confidence`, the calibration error gets bounds, for which `effect` is the design
    effect.
    """
    from sklearn import metrics as sk

    n = len(target)
    positives = int(target.sum())
    weakest = min(positives, n - positives)
    bins = reliability(target, score)
    values = {
        "roc_auc": sk.roc_auc_score(target, score),
        "average_precision": sk.average_precision_score(target, score),
        "accuracy": sk.accuracy_score(target, prediction),
        "balanced_accuracy": sk.balanced_accuracy_score(target, prediction),
        "f1": sk.f1_score(target, prediction, zero_division=0),
        "recall": sk.recall_score(target, prediction),
        "brier_score": sk.brier_score_loss(target, score),
        "log_loss": sk.log_loss(target, score, labels=[0, 1]),
        "expected_calibration_error": calibration_error(bins),
    }
    rarer = f"{weakest:,} of {n:,} rows are of the rarer class"
    found = {
        name: Metric(value=float(value), n=weakest, note=rarer) for name, value in values.items()
    }
    if confidence is not None:
        name = "expected_calibration_error"
        low, high = performance_bounds.calibration_error_bounds(bins, confidence, effect)
        found[name] = found[name].model_copy(update={"lower": low, "upper": high})
    found["precision"] = (
        Metric(value=float(sk.precision_score(target, prediction)), n=int(prediction.sum()))
        if prediction.sum()
        else Metric(value=None, note="nobody is predicted positive")
    )
    return found


def against_majority(target: Floats, prediction: Floats) -> dict[str, Metric]:
    """Compare a classifier's accuracy with that of always giving the more frequent answer.

    `target` and `prediction` are 0 or 1, shape (rows,). `errors_avoided` is the accuracy's gain,
    as a share of the largest possible gain: 1 if the model is always right, 0 if it is right as
    often as the more frequent answer. It is null if the model gives the same answer for every row.
    """
    import numpy as np

    n, positive, right = len(target), int(target.sum()), int((target == prediction).sum())
    most = max(positive, n - positive)
    answer = "yes" if positive == most else "no"
    words = f"always answering {answer} is right on {most / n:.1%} of the test rows"
    note = f"{words}, the model on {right / n:.1%}"
    same = constant(np.bincount(prediction.astype("int64"), minlength=2))
    avoided = Metric(value=(right - most) / max(1, n - most), n=n, note=note)
    return {
        "majority_accuracy": Metric(value=most / n, n=n, note=words),
        "errors_avoided": avoided if same is None else undefined(f"{same}; {note}", n),
    }


def regression(target: Floats, prediction: Floats) -> dict[str, Metric]:
    """Return a regression's metrics; those named `normalized_…` are in σ of the target."""
    from sklearn import metrics as sk

    n = len(target)
    spread = float(target.std())
    error = float(sk.mean_absolute_error(target, prediction))
    found = {
        "mean_absolute_error": Metric(value=error, n=n),
        "root_mean_squared_error": Metric(
            value=float(sk.root_mean_squared_error(target, prediction)), n=n
        ),
    }
    if spread > 0:
        found["r2"] = Metric(value=float(sk.r2_score(target, prediction)), n=n)
        found["normalized_mean_absolute_error"] = Metric(value=error / spread, n=n)
    else:
        constant = Metric(value=None, note="the target is constant on the test rows")
        found |= {"r2": constant, "normalized_mean_absolute_error": constant}
    return found


def reliability(target: Floats, score: Floats, bins: int = 10) -> list[Bin]:
    """Return mean prediction and mean observation in `bins` groups of equal size, by score."""
    import numpy as np

    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [
        Bin(n=len(part), predicted=float(score[part].mean()), observed=float(target[part].mean()))
        for part in parts
    ]


def calibration_error(table: list[Bin]) -> float:
    """Return the expected calibration error (Naeini et al. 2015, AAAI) over equal-sized bins."""
    total = sum(row.n for row in table)
    return sum(row.n * abs((row.predicted or 0.0) - (row.observed or 0.0)) for row in table) / total


def roc_curve(target: Floats, score: Floats) -> list[tuple[float, float]]:
    """Return at most `CURVE_POINTS` points of (false positive rate, true positive rate).

    They are rounded to 1e-6.
    """
    import numpy as np
    from sklearn import metrics as sk

    false, true, _ = sk.roc_curve(target, score)
    keep = np.unique(np.linspace(0, len(false) - 1, CURVE_POINTS).round().astype(int))
    return [
        (round(float(x), 6), round(float(y), 6))
        for x, y in zip(false[keep], true[keep], strict=True)
    ]


def error_curve(target: Floats, prediction: Floats) -> list[tuple[float, float]]:
    """Return the regression error characteristic curve (Bi & Bennett 2003, ICML).

    Each point is (tolerance, share of rows with an error within it).
    """
    import numpy as np

    shares = np.linspace(0, 1, 101)
    tolerances = np.quantile(np.abs(target - prediction), shares)
    return [
        (round(float(x), 6), round(float(y), 6)) for x, y in zip(tolerances, shares, strict=True)
    ]


def mean_roc_auc(target: Floats, score: Floats) -> float:
    """Return the ROC AUC of scores, shape (rows,), or the mean of that of each class.

    For three or more classes, `score` holds their probabilities, shape (rows, classes), and
    `target` their positions. Classes without rows are left out.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    if score.ndim == 1:
        return float(roc_auc_score(target, score))
    places = np.unique(target).astype("int64")
    return float(np.mean([roc_auc_score(target == one, score[:, one]) for one in places]))


def relied_on(
    whole: Metric,
    rows: pd.DataFrame,
    target: Floats,
    score_of: Callable[[pd.DataFrame], Floats],
    task: str,
    features: list[str] | None = None,
) -> Metric:
    """Return `whole` (the model's ROC AUC or R²) with a note naming its most important features.

    `features` are the columns of `rows` that are features, by default all. Importance is what the
    model loses if a feature is shuffled (Breiman 2001), on a sample of the test rows. This shows
    leaks that need several columns: the model is then almost never wrong. Of very many features,
    `strongest` tries blocks.
    """
    import numpy as np
    from sklearn.metrics import r2_score

    if whole.value is None:
        return whole
    judge = r2_score if task == "regression" else mean_roc_auc
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(target))[:SHUFFLED]
    rows, target = rows.iloc[chosen].reset_index(drop=True), target[chosen]
    if target.min() == target.max():
        return whole
    full = float(judge(target, score_of(rows)))
    order = rng.permutation(len(rows))

    def loss(names: list[str]) -> float:
        shuffled = rows.copy()
        for name in names:
            shuffled[name] = rows[name].to_numpy()[order]
        return full - float(judge(target, score_of(shuffled)))

    names = sorted(features or map(str, rows.columns))
    ranked = strongest(names, loss, NAMED)[:NAMED]
    words = ", ".join(f"{name} (−{lost:.2f} without it)" for name, lost in ranked)
    words += how_found(len(names))
    return Metric(value=whole.value, n=whole.n, note=f"the model rests most on {words}")

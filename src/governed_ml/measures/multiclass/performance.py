"""Performance of a model of three or more classes, over all classes and for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from governed_ml.core.evidence import SAME_CLASS, Metric
from governed_ml.core.evidence_bodies import Bin
from governed_ml.measures.bounds.performance_bounds import calibration_error_bounds
from governed_ml.measures.champions import mean_gain
from governed_ml.measures.groups import undefined
from governed_ml.measures.performance import (
    CURVE_POINTS,
    calibration_error,
    reliability,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

CALIBRATION = "expected_calibration_error"
MACRO = ("roc_auc", "average_precision", "f1", "recall", "precision")
"""Metrics of one class whose mean over the classes is the metric of the model."""


class ClassAnswers(NamedTuple):
    """What a model of several classes answers for rows whose class is known.

    `target` and `prediction` are positions of classes, shape (rows,). `probabilities` has the shape
    (rows, classes). `names` are the classes by position.
    """

    target: Integers
    prediction: Integers
    probabilities: Floats
    names: list[str]

    def one(self, place: int) -> tuple[Floats, Floats]:
        """Return 1 or 0 for whether a row is of a class, and its probability; shape (rows,)."""
        return (self.target == place).astype("float64"), self.probabilities[:, place]

    def counts(self) -> Integers:
        """Return the number of rows of each class, shape (classes,)."""
        import numpy as np

        return np.bincount(self.target, minlength=len(self.names))

    def normalized(self) -> Floats:
        """Return probabilities that add up to 1 exactly, also those of single precision."""
        return self.probabilities / self.probabilities.sum(axis=1, keepdims=True)

    def squared_errors(self) -> Floats:
        """Return each row's squared error, shape (rows,): half its sum over the classes.

        With two classes this is the squared error of one probability. Its mean is the Brier score
        (Brier 1950, Monthly Weather Review 78:1), which is then 0 to 1.
        """
        import numpy as np

        truth = np.eye(len(self.names))[self.target]
        return ((self.probabilities - truth) ** 2).sum(axis=1) / 2


def classification(
    found: ClassAnswers, confidence: float | None = None, effects: list[float] | None = None
) -> dict[str, Metric]:
    """Return the metrics of the model, and of each class as `class.NAME.METRIC`.

    With `confidence`, calibration errors get bounds; `effects` are the design effects of the
    classes, 1 by default. A metric is null if no row is of a class that it needs.
    """
    effects = effects or [1.0] * len(found.names)
    each = [one_vs_rest(found, place, confidence, effect) for place, effect in enumerate(effects)]
    by_class = {
        f"class.{name}.{metric}": one
        for name, values in zip(found.names, each, strict=True)
        for metric, one in values.items()
    }
    calibration = worst_calibration(found, confidence, effects)
    return _over_classes(found, each, calibration) | by_class


def one_vs_rest(
    found: ClassAnswers, place: int, confidence: float | None = None, effect: float = 1.0
) -> dict[str, Metric]:
    """Return the metrics of one class against the rest; null where they are undefined."""
    from sklearn import metrics as sk

    (truth, score), name = found.one(place), found.names[place]
    answer = (found.prediction == place).astype("float64")
    n, mine, chosen = len(truth), int(truth.sum()), int(answer.sum())
    rarer, note = min(mine, n - mine), f"{mine:,} of {n:,} rows are of class {name!r}"
    metrics = dict.fromkeys(
        MACRO, undefined(f"{'every' if mine else 'no'} row is of class {name!r}")
    )
    if rarer:
        values = {
            "roc_auc": sk.roc_auc_score(truth, score),
            "average_precision": sk.average_precision_score(truth, score),
            "f1": sk.f1_score(truth, answer, zero_division=0),
            "recall": sk.recall_score(truth, answer),
        }
        metrics |= {
            one: Metric(value=float(value), n=rarer, note=note) for one, value in values.items()
        }
    metrics["precision"] = (
        Metric(value=float(sk.precision_score(truth, answer)), n=chosen, note=note)
        if chosen
        else undefined(f"class {name!r} is never predicted")
    )
    bins = reliability(truth, score)
    error = Metric(value=calibration_error(bins), n=rarer, note=note)
    if confidence is not None:
        low, high = calibration_error_bounds(bins, confidence, effect)
        error = error.model_copy(update={"lower": low, "upper": high})
    return metrics | {CALIBRATION: error}


def _over_classes(
    found: ClassAnswers, each: list[dict[str, Metric]], calibration: Metric
) -> dict[str, Metric]:
    """Return the metrics over all classes; `each` has those of every class."""
    from sklearn import metrics as sk

    rows = found.counts()
    fewest = int(rows.min())
    rarest = (
        f"{fewest:,} of {len(found.target):,} rows are of the rarest class "
        f"{found.names[int(rows.argmin())]!r}"
    )
    labels = range(len(found.names))
    metrics = {name: _mean(found.names, [one[name] for one in each], rarest) for name in MACRO}
    values = {
        "accuracy": sk.accuracy_score(found.target, found.prediction),
        "brier_score": found.squared_errors().mean(),
        "log_loss": sk.log_loss(found.target, found.normalized(), labels=list(labels)),
    }
    metrics |= {
        name: Metric(value=float(value), n=fewest, note=rarest) for name, value in values.items()
    }
    metrics["balanced_accuracy"] = metrics["recall"]
    told = {"n": fewest, "note": f"{rarest}; {calibration.note}"}
    return metrics | {CALIBRATION: calibration.model_copy(update=told)}


def _mean(names: list[str], each: list[Metric], rarest: str) -> Metric:
    """Return the mean over the classes of one metric, with a note that names the lowest."""
    lost = next((one for one in each if one.value is None), None)
    if lost is not None:
        return undefined(lost.note)
    values = [one.value or 0.0 for one in each]
    worst = values.index(min(values))
    return Metric(
        value=sum(values) / len(values),
        n=min(one.n or 0 for one in each),
        note=f"{rarest}; lowest for class {names[worst]!r}: {values[worst]:.4f}",
    )


def worst_calibration(
    found: ClassAnswers, confidence: float | None, effects: list[float]
) -> Metric:
    """Return the largest calibration error of a class against the rest, with bounds.

    The lower bound says "some class is beyond", so it comes from bounds that hold for all classes
    at once (Bonferroni correction). The upper bound says "every class is inside", so it comes from
    each class's own bound: it is wrong only if that of the truly worst class is (Berger 1982).
    """
    tables = [reliability(*found.one(place)) for place in range(len(found.names))]
    values = [calibration_error(bins) for bins in tables]
    place = values.index(max(values))
    metric = Metric(
        value=values[place], note=f"largest for class {found.names[place]!r}: {values[place]:.4f}"
    )
    if confidence is None:
        return metric
    joint = 1 - (1 - confidence) / len(tables)
    both = list(zip(tables, effects, strict=True))
    lower = max(calibration_error_bounds(bins, joint, effect)[0] for bins, effect in both)
    upper = max(calibration_error_bounds(bins, confidence, effect)[1] for bins, effect in both)
    return metric.model_copy(update={"lower": lower, "upper": upper})


def calibration_table(found: ClassAnswers) -> tuple[list[Bin], str]:
    """Return the reliability table of the class with the largest error, and this class."""
    tables = [reliability(*found.one(place)) for place in range(len(found.names))]
    errors = [calibration_error(bins) for bins in tables]
    worst = errors.index(max(errors))
    return tables[worst], found.names[worst]


def against_majority(found: ClassAnswers) -> dict[str, Metric]:
    """Compare the accuracy with that of always predicting the most frequent class.

    `errors_avoided` is as in `performance.against_majority`.
    """
    n, rows = len(found.target), found.counts()
    most, right = int(rows.max()), int((found.target == found.prediction).sum())
    name = found.names[int(rows.argmax())]
    words = f"always answering {name!r} is right on {most / n:.1%} of the test rows"
    note = f"{words}, the model on {right / n:.1%}"
    varies = bool((found.prediction != found.prediction[0]).any())
    avoided = Metric(value=(right - most) / max(1, n - most), n=n, note=note)
    return {
        "majority_accuracy": Metric(value=most / n, n=n, note=words),
        "errors_avoided": avoided if varies else undefined(f"{SAME_CLASS}; {note}", n),
    }


def champion_difference(
    champion: ClassAnswers,
    challenger: ClassAnswers,
    confidence: float,
    person: Integers | None = None,
) -> Metric:
    """Return the champion's minus the challenger's Brier score, over that of the class shares.

    With two classes this is `performance.champion_difference`, for which see bounds and `person`.
    """
    shares = challenger.counts() / len(challenger.target)
    variance = float((shares * (1 - shares)).sum()) / 2
    if variance == 0:
        return undefined("all test rows are of one class")
    gains = (champion.squared_errors() - challenger.squared_errors()) / variance
    return mean_gain(gains, confidence, person)


def roc_curve(found: ClassAnswers) -> list[tuple[float, float]]:
    """Return the mean ROC curve of the classes against the rest, at `CURVE_POINTS` points at most.

    It is the vertical average (Fawcett 2006): the mean true positive rate at each false positive
    rate. Classes without rows are left out.
    """
    import numpy as np
    from sklearn import metrics as sk

    grid = np.linspace(0, 1, CURVE_POINTS)
    curves: list[Floats] = []
    for place, rows in enumerate(found.counts()):
        if 0 < rows < len(found.target):
            false, true, _ = sk.roc_curve(*found.one(place))
            curves.append(np.interp(grid, false, true))
    mean = np.mean(curves, axis=0) if curves else np.array([])
    points = zip(grid, mean, strict=False)
    return [(round(float(x), 6), round(float(y), 6)) for x, y in points]

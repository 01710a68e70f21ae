"""Choose the threshold with which cross-validated probabilities give the highest metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from governed_ml.core.config.threshold import Threshold
from governed_ml.core.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

QUANTILES = 200  # of the probabilities of each class; between them no threshold is tried
DIGITS = 3  # significant digits of a threshold


class Chosen(NamedTuple):
    """A threshold, and metrics of the rows that it was chosen on."""

    value: float
    validated: dict[str, float]


def metrics(target: npt.NDArray[Any], answer: npt.NDArray[Any]) -> dict[str, float]:
    """Return metric → value; a share of no rows is 0, as in scikit-learn."""
    import numpy as np

    yes, is_yes = answer == 1, target == 1
    hits = int(np.count_nonzero(yes & is_yes))
    all_yes, all_is = int(np.count_nonzero(yes)), int(np.count_nonzero(is_yes))
    n = len(target)
    rejected = n - all_is - (all_yes - hits)
    recall, precision = _share(hits, all_is), _share(hits, all_yes)
    return {
        "accuracy": _share(hits + rejected, n),
        "balanced_accuracy": (recall + _share(rejected, n - all_is)) / 2,
        "f1": _share(2 * hits, all_yes + all_is),
        "precision": precision,
        "recall": recall,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def candidates(probabilities: Floats, target: npt.NDArray[Any]) -> Floats:
    """Return thresholds to try: hundredths, and quantiles of the probabilities of each class."""
    import numpy as np

    at = np.linspace(0, 1, QUANTILES)
    of_classes = [np.quantile(probabilities[target == one], at) for one in (0, 1)]
    found = np.concatenate([np.arange(0.01, 1, 0.01), *of_classes])
    rounded = np.array([float(f"{one:.{DIGITS}g}") for one in found])
    return np.unique(rounded[(rounded > 0) & (rounded < 1)])


def choose(probabilities: Floats, target: npt.NDArray[Any], wanted: Threshold) -> Chosen:
    """Return the threshold, chosen by scikit-learn's `TunedThresholdClassifierCV`.

    `probabilities` of the favourable class and `target` have the shape (rows,). Raise `Problem` if
    no threshold satisfies `at_least`.
    """
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import TunedThresholdClassifierCV

    from governed_ml.pipeline.probabilities.given_scores import given_scores

    held: dict[Any, float] = wanted.at_least or {}
    rows = probabilities.reshape(-1, 1)

    def worth(truth: npt.NDArray[Any], answer: npt.NDArray[Any]) -> float:
        """Return the metric; below 0 where `at_least` is not satisfied, less where by more."""
        found = metrics(truth, answer)
        lack = max((least - found[name] for name, least in held.items()), default=0.0)
        return -lack if lack > 0 else found[str(wanted.maximise)]

    search: Any = TunedThresholdClassifierCV(
        given_scores(target),
        scoring=make_scorer(worth),
        response_method="decision_function",  # of the stand-in: the probabilities
        thresholds=candidates(probabilities, target),
        cv="prefit",
        refit=False,
    )
    search.fit(rows, target)
    value = float(search.best_threshold_)
    found = metrics(target, (probabilities >= value).astype("int64"))
    for name, least in held.items():
        if found[name] < least:
            raise Problem(
                f"conf/model: no threshold gives {name.replace('_', ' ')} of at least {least:g} in "
                "cross-validation on the training rows; the nearest is "
                f"{found[name]:.4g}, with threshold {value:g}: lower at_least, or choose a better "
                "model"
            )
    return Chosen(value, {name: found[name] for name in (str(wanted.maximise), *held)})

"""What `train` says about calibrated probabilities and the threshold, also as sentences."""

from __future__ import annotations

from typing import Any

from pydantic import Field, FiniteFloat

from governed_ml.core.bodies.closed_body import Body

FOLDS = {
    "random": "at random",
    "group": "with all rows of a person in one fold",
    "time": "in the order of time, each predicted from earlier rows",
}


class Folds(Body):
    """How training rows were divided, so that no row was predicted by a model trained on it."""

    kind: str = Field(description="random, group (rows of a person stay together) or time")
    number: int = Field(description="number of folds")
    rows: int = Field(description="number of training rows that a fold's model predicted")


class DecisionThreshold(Body):
    """The lowest probability for which the model answers yes, and how it was chosen."""

    value: FiniteFloat = Field(description="the lowest probability for which the answer is yes")
    how: str = Field(description="set, costs or maximise: the key in `conf/model`")
    maximised: str | None = Field(description="the metric that was maximised, if any")
    at_least: dict[str, FiniteFloat] = Field(description="metric → the least it was allowed to be")
    costs: dict[str, FiniteFloat] = Field(description="wrong answer → its cost")
    validated: dict[str, FiniteFloat] = Field(
        description="metric → its value at this threshold, in cross-validation on training rows"
    )


def about(body: Any) -> list[str]:
    """Return sentences about calibration, threshold and folds; none if nothing was asked for.

    `body` is a `TrainBody`.
    """
    said: list[str] = []
    threshold, folds = body.threshold, body.folds
    if body.calibration is not None:
        said.append(f"The probabilities are calibrated (method {body.calibration})")
    if threshold is not None:
        said.append(f"The model answers yes if the probability is at least {threshold.value:.4g}")
        said.append(_why(threshold))
    if folds is not None:
        said.append(
            f"Cross-validation used {folds.number} folds of the training rows, divided "
            f"{FOLDS.get(folds.kind, folds.kind)}; it predicted {folds.rows:,} rows"
        )
    return said


def _why(threshold: DecisionThreshold) -> str:
    if threshold.how == "costs":
        costs = " and ".join(
            f"a {name.replace('_', ' ')} costs {cost:g}" for name, cost in threshold.costs.items()
        )
        return f"This threshold costs least if {costs}"
    if threshold.how == "set":
        return "This threshold is set in the configuration"
    held = " and ".join(f"{_plain(name)} ≥ {least:g}" for name, least in threshold.at_least.items())
    found = ", ".join(f"{_plain(name)} {value:.4g}" for name, value in threshold.validated.items())
    return (
        f"Of all thresholds{f' with {held}' if held else ''}, it has the highest "
        f"{_plain(threshold.maximised or '')} in cross-validation on training rows ({found})"
    )


def _plain(metric: str) -> str:
    return "F1" if metric == "f1" else metric.replace("_", " ")

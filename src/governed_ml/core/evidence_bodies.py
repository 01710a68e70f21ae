"""The body of each gate's evidence, as closed models. Bodies hold aggregates, never rows."""

from __future__ import annotations

from pydantic import Field, FiniteFloat

from governed_ml.core.bodies.closed_body import Body, Grown
from governed_ml.core.bodies.ingested import Column as Column
from governed_ml.core.bodies.ingested import ColumnKind as ColumnKind
from governed_ml.core.bodies.ingested import IngestBody
from governed_ml.core.bodies.trained import DecisionThreshold, Folds

Number = FiniteFloat | None


class Expectation(Body):
    """One expectation's outcome, as counts and text; never a row of data."""

    type: str = Field(description="the name of the expectation")
    column: str | None = Field(description="its column; null if it is about the table")
    limits: str = Field(description="what the contract asks for, in words")
    success: bool = Field(description="whether it holds")
    observed: str = Field(description="what was found, in words")
    unexpected_count: int | None = Field(description="number of values that break it")
    unexpected_percent: Number = Field(description="the same in percent")


class ValidateBody(Body):
    """The outcome of validating the table against the contract."""

    contract: str = Field(description="the path of the expectation suite")
    contract_digest: str = Field(description="the digest of that file")
    rows: int = Field(description="number of rows")
    columns: int = Field(description="number of columns")
    expectations: list[Expectation] = Field(description="the outcome of each")


class SplitBody(Grown):
    """Which columns are features, which are not, and how the rows were divided."""

    LATER = ("person", "merged", "classes", "folds")

    kind: str = Field(description="random, group, time or cross_validated")
    rows: dict[str, int] = Field(
        description="part (train, test) → number of rows; with cross-validation, both are all rows"
    )
    numeric: list[str] = Field(description="the numeric features")
    categorical: list[str] = Field(description="the categorical features")
    sensitive: dict[str, dict[str, int]] = Field(
        description="sensitive attribute → group → number of rows"
    )
    cut: str | None = Field(description="split by time: where the test rows begin")
    person: str | None = Field(
        default=None, description="the column that identifies the person of each row"
    )
    merged: dict[str, dict[str, dict[str, int]]] | None = Field(
        default=None,
        description=(
            "sensitive attribute → group that labels make of several values → value (or bin, or "
            "`missing`) → number of rows"
        ),
    )
    classes: list[str] | None = Field(
        default=None, description="the classes by position, if there are three or more"
    )
    folds: list[int] | None = Field(
        default=None, description="cross-validation: number of test rows of each fold"
    )

    @property
    def whole(self) -> int:
        """Return the number of rows of the table."""
        return self.rows.get("test", 0) + (0 if self.folds else self.rows.get("train", 0))


class Mitigation(Body):
    """The fairness mitigation that was applied, the alternatives tried, and which one was kept."""

    method: str = Field(description="the class that made the model fairer")
    constraint: str = Field(description="the fairness constraint")
    attributes: list[str] = Field(description="the sensitive attributes that it is about")
    tried: int = Field(description="number of models that were tried")
    chosen: int = Field(description="which of them was kept, from 0")
    training_violation: FiniteFloat = Field(
        description="violation of the constraint on the training rows"
    )


class TrainBody(Grown):
    """The model that was fitted."""

    LATER = ("calibration", "threshold", "folds", "fold_models")

    model: str = Field(description="the name of the model in `conf/model/`")
    estimator: str = Field(description="the class of the estimator")
    parameters: dict[str, str | int | float | bool | None] = Field(description="argument → value")
    rows: int = Field(description="number of training rows")
    features: int = Field(description="number of features")
    numeric: list[str] = Field(description="the numeric features")
    categorical: list[str] = Field(description="the categorical features")
    mitigation: Mitigation | None = Field(
        default=None, description="how the model was made fairer, if it was"
    )
    calibration: str | None = Field(
        default=None, description="how the probabilities were calibrated: isotonic or sigmoid"
    )
    threshold: DecisionThreshold | None = Field(
        default=None,
        description="the lowest probability for which the answer is yes, if configured",
    )
    folds: Folds | None = Field(
        default=None, description="the cross-validation of calibration and threshold"
    )
    fold_models: list[str] | None = Field(
        default=None,
        description="with `split: cross_validated`: the digest of each fold's model",
    )


class Bin(Body):
    """One bin of a reliability (calibration) table."""

    n: int = Field(description="number of rows")
    predicted: Number = Field(description="the mean prediction")
    observed: Number = Field(description="the mean of the target")


class EvaluateBody(Grown):
    """Performance on the test rows."""

    LATER = ("prediction_contract", "expectations", "calibration_class")

    task: str = Field(description="classification or regression")
    rows: int = Field(description="number of test rows")
    confusion: dict[str, int] = Field(
        description="outcome → number of rows (of several classes, `true → predicted`); empty for "
        "a regression"
    )
    calibration: list[Bin] = Field(description="ten bins of equal size, by prediction")
    calibration_class: str | None = Field(
        default=None,
        description="of several classes, the one with the largest calibration error, whose "
        "probability `calibration` is about",
    )
    champion: str | None = Field(description="the digest of the champion that was compared, if any")
    leaks: dict[str, Number] = Field(description="feature → how well it predicts the target alone")
    prediction_contract: str | None = Field(default=None, description="its path, if there is one")
    expectations: list[Expectation] | None = Field(
        default=None, description="the outcome of each expectation about predictions"
    )


class ColumnDrift(Grown):
    """One column against its frozen training reference; shares per bin, in the order of `bins`."""

    LATER = ("ks_statistic", "wasserstein_normed", "spread", "quantiles")

    name: str = Field(description="the column; or `prediction`, `target`")
    kind: str = Field(description="numeric or categorical")
    bins: list[str] = Field(description="the label of each bin")
    reference: list[FiniteFloat] = Field(description="share of the reference rows in each bin")
    current: list[FiniteFloat] = Field(description="share of the current rows in each bin")
    edges: list[FiniteFloat] = Field(
        description="numeric: minimum, inner edges, maximum; or the values, one bin each"
    )
    population_stability_index: Number = Field(description="0 or more; 0 means equal shares")
    jensen_shannon_distance: Number = Field(description="0 (equal shares) to 1 (no bin in common)")
    ks_statistic: Number = Field(default=None, description="Kolmogorov-Smirnov distance, 0 to 1")
    wasserstein_normed: Number = Field(default=None, description="the distance, over `spread`")
    spread: Number = Field(default=None, description="robust standard deviation of the reference")
    quantiles: list[FiniteFloat] | None = Field(
        default=None, description="numeric: reference values, each for at least ten rows"
    )


class DriftBody(Body):
    """Drift of data and predictions between the training reference and the test rows."""

    reference_rows: int = Field(description="number of training rows")
    current_rows: int = Field(description="number of test rows")
    share_floor: FiniteFloat = Field(
        description="the least share that a bin counts with in the population stability index"
    )
    columns: list[ColumnDrift] = Field(description="features, prediction and target")


class Group(Body):
    """Counts and rates of one group (for regression, means)."""

    name: str = Field(description="the group; of an intersection, joined by `*`")
    n: int = Field(description="number of rows")
    counts: dict[str, int] = Field(description="outcome → number of rows; empty for a regression")
    rates: dict[str, Number] = Field(description="name → rate; for a regression, the mean")


class Attribute(Body):
    """The groups of one sensitive attribute or intersection."""

    name: str = Field(description="the attribute; of an intersection, joined by `*`")
    columns: list[str] = Field(description="the columns that it is made from")
    groups: list[Group] = Field(description="its groups")


class Proxy(Body):
    """How well the features predict one sensitive attribute."""

    attribute: str = Field(description="the sensitive attribute")
    score: Number = Field(description="the highest ROC AUC of one group against all others")
    carriers: dict[str, FiniteFloat] = Field(
        description="feature → its ROC AUC alone; the ten highest"
    )


class FairnessBody(Body):
    """Fairness for each sensitive attribute and intersection."""

    task: str = Field(description="classification or regression")
    confidence: FiniteFloat = Field(description="the confidence of the bounds")
    attributes: list[Attribute] = Field(description="attributes and their intersections")
    proxies: list[Proxy] = Field(description="one for each sensitive attribute")


class ExplainBody(Body):
    """Which features the model's output depends on."""

    method: str = Field(description="how contributions were found")
    output: str = Field(description="the output that they add up to")
    rows: int = Field(description="number of test rows in the sample")
    importance: dict[str, FiniteFloat] = Field(description="feature → mean absolute contribution")


BODY_OF_GATE: dict[str, type[Body]] = {
    "ingest": IngestBody,
    "validate": ValidateBody,
    "split": SplitBody,
    "train": TrainBody,
    "evaluate": EvaluateBody,
    "drift": DriftBody,
    "fairness": FairnessBody,
    "explain": ExplainBody,
}
"""Gate → the model of its evidence's body, in the pipeline's order."""

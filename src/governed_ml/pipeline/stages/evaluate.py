"""Predict with the model file, and measure performance, calibration and leaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import model_file, tables
from governed_ml.core.config import read
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Finding, Metric, load, path_of
from governed_ml.core.evidence_bodies import EvaluateBody, Expectation
from governed_ml.core.problem import Problem
from governed_ml.core.process_settings import importing
from governed_ml.core.terminal import PROGRESS
from governed_ml.measures import performance, robustness
from governed_ml.measures.bounds.cross_validated import widened
from governed_ml.measures.bounds.quantiles import robust_spread
from governed_ml.pipeline import models
from governed_ml.pipeline.contract.outcomes import said
from governed_ml.pipeline.contract.prediction_rows import outcomes
from governed_ml.pipeline.data.persons import persons_of
from governed_ml.pipeline.evaluation.champion import CHAMPION, against_champion
from governed_ml.pipeline.evaluation.latency import latency, speed
from governed_ml.pipeline.evaluation.performance_of_model import confusion, measure
from governed_ml.pipeline.folds import across, fold_models, released_model
from governed_ml.pipeline.folds.fold_models import FoldModels
from governed_ml.pipeline.model_outputs import answers, outputs, predict_parts, require_classes
from governed_ml.pipeline.stage_runner import record
from governed_ml.pipeline.tracking import begin, finish

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = ("seed", "experiment", "data", "policy.confidence", "policy.perturbation")


def main() -> str:
    """Write predictions, curves and evidence; log metrics to the training's MLflow run."""
    params = read(*SECTIONS)
    store = begin(params.experiment)
    train = load("train")
    features = train.body.numeric + train.body.categorical
    with importing("skops.io"):
        parts = {"train": tables.read(tables.TRAIN), "test": tables.read(tables.TEST)}
        found, together = across.leaks_of(params.data, train.body)
    by_fold = train.body.fold_models
    with models.opened() as released, fold_models.measured(released, by_fold) as model:
        if params.data.task == "classification":
            require_classes(model, len(params.data.class_names) or 2)
        wanted = fold_models.with_folds(parts, features) if by_fold else features
        PROGRESS.step("predicting train and test rows")
        predictions = predict_parts(model, parts, wanted, params.data.task)
        notes = speed(released, parts["test"][features], params.data.task)
        notes |= models.notes(released)
        tables.write(predictions, tables.PREDICTIONS)
        test = predictions[predictions["part"] == "test"]
        metrics, calibration, calibrated = measure(test, params)
        if isinstance(model, FoldModels):
            metrics["released_difference"] = released_model.difference(
                released, model, parts["test"][features], params.data.task
            )
        champion, metrics["champion_difference"] = against_champion(
            test, parts["test"], features, params
        )
        metrics["champions"] = Metric(value=float(champion is not None))
        metrics |= leak_metrics(found, len(test))
        metrics["leak_together"] = together
        head = "roc_auc" if params.data.task == "classification" else "r2"
        PROGRESS.step("shuffling the features")
        metrics["leak_model"] = performance.relied_on(
            metrics[head],
            parts["test"][wanted],
            test[tables.TARGET].to_numpy("float64"),
            lambda rows: outputs(model, rows, params.data.task),
            params.data.task,
            features,
        )
        PROGRESS.step("adding noise to the features")
        metrics |= flips(model, parts, wanted, train.body.numeric, params)
        answer = (test[name].to_numpy() for name in ("score", "prediction"))
        expected = outcomes(params.data, parts["test"][features], *answer)
        metrics |= contract_metrics(expected)
        metrics = widened(metrics) if by_fold else metrics
        PROGRESS.step("timing predictions")
        timings, machine = latency(
            released, parts["test"][features], params.data.task
        )  # comes last
        notes |= machine
    body = EvaluateBody(
        task=params.data.task,
        rows=len(test),
        confusion=confusion(test, params.data),
        calibration=calibration,
        calibration_class=calibrated,
        champion=champion,
        leaks=found,
        prediction_contract=params.data.prediction_contract,
        expectations=expected,
    )
    notes |= finish(
        store,
        train.volatile.notes.get("mlflow_run_id"),
        {name: metric.value for name, metric in (metrics | timings).items()},
    )
    # The model is named by its canonical digest below, because its bytes differ between runs.
    inputs = [tables.TRAIN, tables.TEST, tables.PREDICTIONS, path_of("train")]
    inputs += [p for p in (CHAMPION, tables.PERSONS, tables.FOLDS) if p.is_file()]
    inputs += [Path(one) for one in [params.data.prediction_contract] if one]
    record(
        "evaluate",
        SECTIONS,
        inputs,
        body,
        metrics,
        findings=[
            Finding(what=f"breaks {one.type}", where=one.column or "table")
            for one in expected or []
            if not one.success
        ],
        tools=("scikit-learn", *(["great-expectations"] if expected else [])),
        model=model_file.digest(),
        notes=notes,
        timings=timings,
    )
    return (
        f"{head} {metrics[head].value:.4f} on {len(test):,} test rows"
        if metrics[head].value is not None
        else metrics[head].note
    )


def contract_metrics(expected: list[Expectation] | None) -> dict[str, Metric]:
    """Return how many expectations about predictions there are, and how many do not hold."""
    if expected is None:
        return {}
    broken = [said(one) for one in expected if not one.success]
    return {
        "prediction_expectations": Metric(value=float(len(expected))),
        "failed_prediction_expectations": Metric(
            value=float(len(broken)), note="; ".join(broken)[:3000]
        ),
    }


def flips(
    model: Any,
    parts: dict[str, pd.DataFrame],
    features: list[str],
    numeric: list[str],
    params: Params,
) -> dict[str, Metric]:
    """Return the share of test rows whose prediction changes under noise.

    A second metric is the number of features that get noise. Noise is in standard deviations of the
    training rows, the tolerance in robust standard deviations of the target.
    """
    import numpy as np

    train, task, wanted = parts["train"], params.data.task, params.policy.perturbation
    if wanted is None:
        raise Problem("the policy has no section perturbation: ask the risk owner to add it")
    spread = {name: float(train[name].std()) for name in numeric}
    spread = {name: value for name, value in spread.items() if np.isfinite(value) and value > 0}
    targets = train[tables.TARGET].to_numpy("float64")
    share = robustness.flip_share(
        lambda rows: answers(model, rows, task).astype("float64"),
        parts["test"][features],
        spread,
        wanted.size,
        wanted.tolerance * robust_spread(targets) if task == "regression" else 0.0,
        params.policy.confidence,
        params.seed,
        persons_of(parts["test"]),
    )
    return {"flip_share": share, "perturbed_features": Metric(value=float(len(spread)))}


def leak_metrics(found: dict[str, float | None], rows: int) -> dict[str, Metric]:
    """Return one metric per feature, and the largest."""
    metrics = {
        f"leak.{name}": Metric(
            value=score,
            n=rows,
            note=f"{name} alone predicts the target"
            if score is not None
            else f"{name} alone cannot be judged",
        )
        for name, score in found.items()
    }
    scores = {name: score for name, score in found.items() if score is not None}
    worst = max(scores, key=lambda name: scores[name], default=None)
    metrics["max_leak"] = (
        Metric(value=None, note="no feature could be judged")
        if worst is None
        else Metric(value=scores[worst], n=rows, note=worst)
    )
    return metrics

"""Model card and data card: closed models, machine-readable first, filled from evidence alone.

Sections after Mitchell et al. 2019, Model Cards, and Gebru et al. 2021, Datasheets for Datasets.
"""

from __future__ import annotations

from pydantic import FiniteFloat

from governed_ml.core.bodies import trained
from governed_ml.core.config.closed_model import AsGiven, Closed
from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Project
from governed_ml.core.evidence import NO_ORDER, AnyEvidence, Finding, Metric
from governed_ml.core.evidence_bodies import Attribute, Column

Evidences = dict[str, AnyEvidence]


class Cost(Closed):
    """What a mitigation costs, on the test rows: by how much the metric falls."""

    metric: str
    without_mitigation: FiniteFloat | None
    with_mitigation: FiniteFloat | None
    cost: FiniteFloat | None


class ModelCard(AsGiven):
    """`reports/model_card.json`."""

    schema_version: int = 1
    project: Project
    task: str
    model: str
    estimator: str
    parameters: dict[str, str | int | float | bool | None]
    model_digest: str
    training_rows: int
    test_rows: int
    features: list[str]
    mitigation: str
    mitigation_cost: list[Cost]
    probabilities: list[str] | None = None  # left out of the card if there is nothing to say
    performance: dict[str, Metric]
    confusion: dict[str, int]
    fairness: dict[str, Metric]
    groups: list[Attribute]
    drift: dict[str, FiniteFloat | None]
    explanation: str
    importance: dict[str, FiniteFloat]
    coverage: Metric
    findings: list[Finding]
    limits: list[str]
    tools: dict[str, str]


class DataCard(Closed):
    """`reports/data_card.json`."""

    schema_version: int = 1
    name: str
    source: str
    uri: str
    source_sha256: str | None
    rows: int
    columns: list[Column]
    target: str
    sensitive: dict[str, dict[str, int]]
    no_sensitive_reason: str
    contract: str
    expectations: int
    failed_expectations: int
    split: str
    split_rows: dict[str, int]
    overlapping_rows: int
    tables: dict[str, str]


def model_card(project: Project, found: Evidences) -> ModelCard:
    """Fill the model card."""
    train, evaluate, fairness, drift, explain = (
        found[gate] for gate in ("train", "evaluate", "fairness", "drift", "explain")
    )
    performance = {
        name: metric for name, metric in evaluate.metrics.items() if not name.startswith("leak.")
    }
    tools: dict[str, str] = {}
    for evidence in found.values():
        tools |= evidence.tools
    return ModelCard(
        project=project,
        task=evaluate.body.task,
        model=train.body.model,
        estimator=train.body.estimator,
        parameters=train.body.parameters,
        model_digest=str(train.subject.model),
        training_rows=train.body.rows,
        test_rows=evaluate.body.rows,
        features=train.body.numeric + train.body.categorical,
        mitigation=mitigation(train),
        mitigation_cost=costs(train, evaluate),
        probabilities=trained.about(train.body) or None,
        performance=performance,
        confusion=evaluate.body.confusion,
        fairness=fairness.metrics,
        groups=fairness.body.attributes,
        drift={column.name: column.population_stability_index for column in drift.body.columns},
        explanation=(
            f"{explain.body.method} of {explain.body.output} on {explain.body.rows} test rows"
        ),
        importance=explain.body.importance,
        coverage=explain.metrics["coverage"],
        findings=[finding for evidence in found.values() for finding in evidence.findings],
        limits=limits(found),
        tools=dict(sorted(tools.items())),
    )


def mitigation(train: AnyEvidence) -> str:
    """Say how the model was made fairer, and to whom."""
    done = train.body.mitigation
    if done is None:
        return "none"
    names = " and ".join(done.attributes)
    return f"{done.method}, {done.constraint} for {names}: one of {done.tried} models was kept"


def costs(train: AnyEvidence, evaluate: AnyEvidence) -> list[Cost]:
    """Compare the model with the same estimator without mitigation, on the same test rows."""
    found: list[Cost] = []
    for name, plain in train.metrics.items():
        metric = name.removeprefix("unmitigated_")
        before, after = plain.value, evaluate.metrics[metric].value
        lost = None if before is None or after is None else before - after
        found.append(
            Cost(metric=metric, without_mitigation=before, with_mitigation=after, cost=lost)
        )
    return found


def limits(found: Evidences) -> list[str]:
    """Return what could not be measured: every null in the evidence, with its reason.

    That a category has no distance which needs an order is not a limit of the model.
    """
    return [
        f"{gate}.{name}: {metric.note}"
        for gate, evidence in sorted(found.items())
        for name, metric in sorted(evidence.metrics.items())
        if metric.value is None and metric.note != NO_ORDER
    ]


def data_card(data: Data, found: Evidences) -> DataCard:
    """Fill the data card; `data` needs name, target and no_sensitive_reason only."""
    ingest, validate, split = found["ingest"], found["validate"], found["split"]
    return DataCard(
        name=data.name,
        source=ingest.body.source,
        uri=ingest.body.uri,
        source_sha256=ingest.body.sha256,
        rows=ingest.body.rows,
        columns=[one.model_copy(update={"values": None}) for one in ingest.body.columns],
        target=data.target,
        sensitive=split.body.sensitive,
        no_sensitive_reason=data.no_sensitive_reason,
        contract=validate.body.contract,
        expectations=len(validate.body.expectations),
        failed_expectations=sum(not e.success for e in validate.body.expectations),
        split=split.body.kind,
        split_rows=split.body.rows,
        overlapping_rows=int(split.metrics["overlapping_rows"].value or 0),
        tables=found["evaluate"].subject.inputs | split.subject.inputs,
    )

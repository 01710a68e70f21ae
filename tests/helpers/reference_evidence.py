"""docs/evidence.md: the form of evidence, the body of each stage, and every metric."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel
from reference_metrics import WINDOW
from reference_models import rows_of, titled
from reference_pages import WRITTEN, document, sentence, table, wrapped

from governed_ml.core import evidence
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.policy.metric_words import METRICS, MetricWords

INTRO = (
    "Each of these stages writes what it measured to `reports/evidence/STAGE.json`. Evidence has "
    "numbers and names. It has no row of data and no verdict. `governance schemas` writes the same "
    "form as a JSON Schema to `governance/schemas/evidence.json`."
)
CLOSED = (
    "The form is closed: an unknown field, a missing field, a text for a number or a NaN makes the "
    "file invalid, and the gate denies the model."
)
COMMON = (
    evidence.Evidence, evidence.Subject, evidence.EngineRef, evidence.Metric, evidence.Finding,
    evidence.Volatile,
)  # fmt: skip
RANGES = (
    "A rule names a metric as `STAGE.NAME`, such as `evaluate.roc_auc`. `{feature}`, `{column}` "
    "and `{attribute}` stand for names of the project; an intersection of attributes is written as "
    "`sex*age_group`. A count or a share has no unit. A metric with bounds has `lower` and `upper`."
)
WINDOWS = (
    "`governance monitor` measures these for each window. A rule under `monitoring:` names them as "
    "they stand here."
)


def inner(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models in the fields of a model, then those in theirs, each once."""
    found: list[type[BaseModel]] = []

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in found:
                found.append(annotation)
                for field in annotation.model_fields.values():
                    walk(field.annotation)
            return
        for part in get_args(annotation):
            walk(part)

    for field in model.model_fields.values():
        walk(field.annotation)
    return found


def linked(models: list[type[BaseModel]]) -> dict[type[BaseModel], str]:
    """Return model → a link to its section."""
    return {one: f"[{titled(one)}](#fields-of-{titled(one).replace(' ', '-')})" for one in models}


def section(model: type[BaseModel], links: dict[type[BaseModel], str]) -> str:
    """Return the section of one model."""
    rows = rows_of(model.model_fields, links)
    said = wrapped((model.__doc__ or "").split("\n\n")[0])
    head = ["field", "type", "default", "meaning"]
    return f"### Fields of {titled(model)}\n\n{said}\n\n{table(head, rows)}"


def metrics(rows: list[MetricWords]) -> str:
    """Return a table of metrics."""
    found = [[f"`{one.name}`", sentence(one.meaning), one.range] for one in rows]
    return table(["metric", "meaning", "range"], found)


def page() -> str:
    """Return the page."""
    links = linked([*COMMON, *(one for body in BODY_OF_GATE.values() for one in inner(body))])
    parts = ["## What all evidence has", *(section(model, links) for model in COMMON)]
    for gate, body in BODY_OF_GATE.items():
        rows = rows_of(body.model_fields, links)
        said = wrapped((body.__doc__ or "").split("\n\n")[0])
        parts += [f"## `{gate}`", said, "The body:"]
        parts.append(table(["field", "type", "default", "meaning"], rows))
        parts += [section(model, links) for model in inner(body)]
        parts += [f"### Metrics of `{gate}`", metrics(METRICS[gate])]
    parts += ["## Metrics of a window", wrapped(WINDOWS), metrics(WINDOW)]
    intro = (wrapped(one) for one in (INTRO, CLOSED, RANGES))
    return document("Evidence and metrics", WRITTEN, *intro, *parts)

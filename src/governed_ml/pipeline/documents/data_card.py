"""The data card for people, in sentences and tables. Sections after Gebru et al. 2021."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from governed_ml.core.bodies import ingested
from governed_ml.core.config.params import Project
from governed_ml.core.evidence_bodies import Column
from governed_ml.pipeline.cards import DataCard, Evidences
from governed_ml.pipeline.documents import markdown
from governed_ml.pipeline.documents.templates import fill

SOURCES = {
    "file": "a file",
    "sql": "a database",
    "openml": "a data set of OpenML",
    "synthetic": "made by the engine, so it describes no real person",
    "team": "read by the team's code",
}


class ColumnRole(NamedTuple):
    """A column, and what it is for the model."""

    column: Column
    role: str


def text(card: DataCard, project: Project, found: Evidences) -> str:
    """Return the card."""
    columns = [ColumnRole(one, _role(one.name, card, found)) for one in card.columns]
    values = {
        "card": card,
        "project": project,
        "source": SOURCES.get(card.source, card.source),
        "faults": found["ingest"].body.faults,
        "about": ingested.about(found["ingest"].body),
        "classes": ingested.class_names(found["ingest"].body),
        "columns": columns,
        "described": any(one.kind for one in card.columns),
        "dated": any(one.format for one in card.columns),
        "features": sum(one.role == "feature" for one in columns),
        "split": found["split"].body,
        "broken": [one for one in found["validate"].body.expectations if not one.success],
        "contract_digest": found["validate"].body.contract_digest,
    }
    template = Path(__file__).with_suffix(".md.jinja")
    return fill(template, markdown.escaped, values, {"code": markdown.code})


def _role(name: str, card: DataCard, found: Evidences) -> str:
    split = found["split"].body
    roles = [
        ("target", name == card.target),
        ("sensitive attribute", name in card.sensitive),
        ("feature", name in (*split.numeric, *split.categorical)),
        ("says whose a row is", name == split.person),
    ]
    return next((role for role, fits in roles if fits), "not used by the model")

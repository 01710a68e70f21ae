"""Write the model card and the data card, as JSON and Markdown, from evidence alone."""

from __future__ import annotations

from pathlib import Path

from governed_ml.core.config import read
from governed_ml.core.evidence import load
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.core.files import write_json, write_text
from governed_ml.core.problem import counted
from governed_ml.pipeline import cards
from governed_ml.pipeline.documents import data_card, model_card

SECTIONS = ("project", "data.name", "data.target", "data.no_sensitive_reason")
REPORTS = Path("reports")


def main() -> str:
    """Read every gate's evidence, and write four files."""
    params = read(*SECTIONS)
    found = {gate: load(gate) for gate in BODY_OF_GATE}
    model = cards.model_card(params.project, found)
    data = cards.data_card(params.data, found)
    for name, card, text in (
        ("model_card", model, model_card.text(model, params.data, found)),
        ("data_card", data, data_card.text(data, params.project, found)),
    ):
        write_json(REPORTS / f"{name}.json", card.model_dump(mode="json"))
        write_text(REPORTS / f"{name}.md", text)
    return f"model card and data card, {counted(len(model.limits), 'limit')} stated"

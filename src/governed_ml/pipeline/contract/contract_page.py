"""The contract's result as one self-contained page, broken expectations first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from governed_ml.core.evidence_bodies import Expectation
from governed_ml.pipeline.documents.templates import fill


def page(contract: str, rows: int, outcomes: Sequence[Expectation]) -> str:
    """Return the page."""
    broken = sum(not one.success for one in outcomes)
    values = {"contract": contract, "rows": rows, "outcomes": outcomes, "broken": broken}
    return fill(Path(__file__).with_suffix(".html.jinja"), escape, values)

"""Explain the model on a sample of the test rows, and draw the result."""

from __future__ import annotations

from pathlib import Path

from governed_ml.core import model_file, tables
from governed_ml.core.config import read
from governed_ml.core.evidence import Finding, load, path_of
from governed_ml.core.evidence_bodies import ExplainBody
from governed_ml.core.files import write_bytes
from governed_ml.core.terminal import PROGRESS
from governed_ml.measures.explanations.explanation import Explanation
from governed_ml.measures.explanations.importance import explain
from governed_ml.pipeline import models
from governed_ml.pipeline.stage_runner import record

SECTIONS = ("seed", "data.task")
SAMPLE = 2000
PICTURE = Path("reports/explanation.svg")


def main() -> str:
    """Write importance, coverage and a picture."""
    params = read(*SECTIONS)
    split = load("split").body
    test = tables.read(tables.TEST)
    sample = test.sample(min(SAMPLE, len(test)), random_state=params.seed)
    with models.opened() as model:
        PROGRESS.step("explaining the model")
        found = explain(
            model,
            sample[split.numeric + split.categorical],
            split.categorical,
            params.data.task,
            params.seed,
        )
    draw(found)
    ranked = sorted(found.importance.items(), key=lambda item: -item[1])
    body = ExplainBody(
        method=found.method, output=found.output, rows=found.rows, importance=found.importance
    )
    record(
        "explain",
        SECTIONS,
        [tables.TEST, path_of("split")],
        body,
        {"coverage": found.coverage},
        findings=[
            Finding(what="moves the output most", where=name, value=value)
            for name, value in ranked[:3]
        ],
        tools=("shap", "scikit-learn"),
        model=model_file.digest(),
    )
    coverage = found.coverage.note if found.coverage.value is None else found.coverage.value
    return f"{found.method}, most by {ranked[0][0]}; coverage {coverage}"


def draw(found: Explanation) -> None:
    """Draw the twenty most important features as bars."""
    import io

    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    ranked = sorted(found.importance.items(), key=lambda item: item[1])[-20:]
    with mpl.rc_context({"svg.hashsalt": "explanation", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 0.6 + 0.3 * len(ranked)), layout="constrained")
        axes = figure.subplots()
        axes.barh([name for name, _ in ranked], [value for _, value in ranked], color="#3b6ea5")
        axes.set_xlabel(f"{found.method}: mean contribution to {found.output}")
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_bytes(PICTURE, buffer.getvalue())

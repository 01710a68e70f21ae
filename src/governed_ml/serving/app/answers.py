"""From the rows of a request to a model's answers, and to the records of the prediction log."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from governed_ml.core import tables
from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.predict_version import answers_of
from governed_ml.serving.metrics.names import Arm

if TYPE_CHECKING:
    from governed_ml.serving.model.served_model import ServedModel
    from governed_ml.serving.rows.row_reader import ReadRows


@dataclass(frozen=True)
class PredictionRequest:
    """One request: its id, when it came, whether it wants explanations, and whom it is about.

    `subject` is a pseudonym, or None.
    """

    request_id: str
    moment: datetime
    explain: bool = False
    subject: str | None = None


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answers for the rows of a request.

    `columns` are those of `answers_of`, one list of values for each. `error` names what went wrong
    instead.
    """

    model: ServedModel
    arm: Arm
    rows: ReadRows
    milliseconds: float
    columns: dict[str, list[Any]] = field(default_factory=dict)
    explanations: list[dict[str, Any] | None] | None = None
    error: str | None = None

    @property
    def explained(self) -> list[bool]:
        """Return for each row whether there are contributions that add up to the output."""
        if self.explanations is None:
            return [False] * len(self.rows.logged)
        return [one is not None for one in self.explanations]


def ask(model: ServedModel, arm: Arm, rows: ReadRows, *, explain: bool) -> ModelAnswer:
    """Ask a model for its answers, and for explanations if wanted."""
    start = time.perf_counter()
    found = model.predict(rows.features)
    spent = 1000 * (time.perf_counter() - start)
    columns = {name: _plain(values) for name, values in answers_of(found, model.data).items()}
    explanations = explained(model, rows) if explain else None
    return ModelAnswer(model, arm, rows, spent, columns, explanations)


def explained(model: ServedModel, rows: ReadRows) -> list[dict[str, Any] | None] | None:
    """Return the explanation of each row, or None if the model could not be explained."""
    try:
        return model.explain(rows.features)
    except (Problem, ValueError) as error:
        print(f"serve: no explanation: {first_line(error)}", file=sys.stderr)
        return None


def failed(model: ServedModel, arm: Arm, rows: ReadRows, error: Exception) -> ModelAnswer:
    """Return what the log gets instead of answers: the kind of the error."""
    return ModelAnswer(model, arm, rows, 0.0, error=type(error).__name__)


def _plain(values: Any) -> list[Any]:
    """Return values of NumPy as JSON has them."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def predictions(answer: ModelAnswer, *, explain: bool) -> list[dict[str, Any]]:
    """Return the predictions of a response."""
    data, found = answer.model.data, list[dict[str, Any]]()
    scores = tables.class_scores(data.class_names) if data.multiclass else []
    for row in range(len(answer.rows.logged)):
        one: dict[str, Any] = {
            "row": row,
            "prediction": answer.columns["prediction"][row],
            "score": answer.columns["score"][row],
        }
        if data.multiclass:
            each = zip(data.class_names, scores, strict=True)
            one["scores"] = {name: answer.columns[column][row] for name, column in each}
        if explain:
            one["explanation"] = explanation(answer, row)
        found.append(one)
    return found


def explanation(answer: ModelAnswer, row: int) -> dict[str, Any] | None:
    """Return the explanation of a row, or None if there is none that adds up."""
    return None if answer.explanations is None else answer.explanations[row]


def sensitive_records(asked: PredictionRequest, rows: ReadRows) -> list[dict[str, Any]]:
    """Return the records of the sensitive store, of rows that came with attributes."""
    return [
        {"request_id": asked.request_id, "row": row, **one}
        for row, one in enumerate(rows.sensitive)
        if one
    ]


def records(asked: PredictionRequest, answer: ModelAnswer) -> Iterator[dict[str, Any]]:
    """Yield the records of the prediction log, one for each row."""
    when = asked.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    version = answer.model.version
    for row, (inputs, explained) in enumerate(
        zip(answer.rows.logged, answer.explained, strict=True)
    ):
        said = explanation(answer, row)
        yield {
            "request_id": asked.request_id,
            "row": row,
            "prediction": None,
            "score": None,
            **{name: values[row] for name, values in answer.columns.items()},
            "model_version": version.number,
            "model_state": version.state,
            "model_digest": answer.model.digest,
            "predicted_at": when,
            "arm": answer.arm,
            "subject": asked.subject,
            "explained": explained,
            "explanation": None if said is None else json.dumps(said, ensure_ascii=False),
            "milliseconds": round(answer.milliseconds, 3),
            "error": answer.error,
            **{tables.in_log(name): value for name, value in inputs.items()},
        }


def labels(data: Data, values: Sequence[Any]) -> list[str]:
    """Return the class of each prediction as a label of a metric; none for a regression."""
    if data.task != "classification":
        return []
    return [str(value) if data.multiclass else str(int(value)) for value in values]

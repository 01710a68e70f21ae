"""The metric `web` of Argo Rollouts: the answer as JSON, of which a JSONPath picks `result`.

It is asked by GET with the question in the query, or by POST with it as JSON. Any status other than
2xx is an error of the measurement, so pending and blocked are 200, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governed_ml.serving.hook.question import ApprovalQuestion, from_texts
from governed_ml.serving.http.problems import FieldFault, RequestRefused


def from_query(given: Sequence[tuple[str, str]]) -> ApprovalQuestion:
    """Return the question in a query; a name that is there twice is refused."""
    names = [name for name, _ in given]
    twice = next((name for name in ApprovalQuestion.model_fields if names.count(name) > 1), None)
    if twice:
        fault = FieldFault("", f"`{twice}` is there more than once")
        raise RequestRefused(422, "invalid-question", "the query is ambiguous", [fault])
    return from_texts(dict(given))


def from_body(body: dict[str, Any]) -> ApprovalQuestion:
    """Return the question in a body."""
    return from_texts(body)

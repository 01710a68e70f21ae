"""The description of the service (OpenAPI 3.1), with the champion's own columns and values."""

from __future__ import annotations

from typing import Any

from governed_ml.serving.app.ground_truth import LAST
from governed_ml.serving.http.problems import MEDIA_TYPE

JSON = "application/json"
TEXTS = {
    400: "The body is no JSON.",
    401: "There is no valid token.",
    403: "The token lacks a scope.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    422: "A value is missing, unknown or not allowed.",
    429: "The client asks too often.",
    500: "The service failed.",
    503: "The service cannot answer now.",
}
"""Status → when it is answered."""
REQUEST_ID = {"type": "string", "description": "the request's id, also in the log"}


def description(
    name: str,
    row: dict[str, Any],
    answer: dict[str, Any],
    label: dict[str, Any],
    *,
    most_rows: int,
    tokens: bool,
) -> dict[str, Any]:
    """Return the document for a model of this name.

    `row`, `answer` and `label` are JSON Schemas of a row, its prediction and its label. If
    `tokens`, every path but those of `/health` needs a bearer token.
    """
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1}
    truths = {"type": "array", "items": {"$ref": "#/components/schemas/Label"}, "minItems": 1}
    paths = {
        "/predict": {
            "post": _operation(
                "Predict rows: an object is one row, an array is many.",
                {"oneOf": [{"$ref": "#/components/schemas/Row"}, rows | {"maxItems": most_rows}]},
                "Predictions",
                scopes=["model:predict"],
                explain=True,
            )
        },
        "/ground-truth": {
            "post": _operation(
                "Give the true values of predictions, when they are known.",
                {
                    "oneOf": [
                        {"$ref": "#/components/schemas/Label"},
                        truths | {"maxItems": most_rows},
                    ]
                },
                "Received",
                scopes=["model:predict"],
                status=202,
            )
        },
        "/model": {
            "get": _operation("The champion, and why it is.", None, "Model", ["model:read"])
        },
        "/health/live": {"get": _operation("Whether the process runs.", None, "Status")},
        "/health/ready": {"get": _operation("Whether it can answer.", None, "Status")},
    }
    schemas = {
        "Row": row,
        "Prediction": answer,
        "Label": _closed(
            {
                "request_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
                "row": {"type": "integer", "minimum": 0, "maximum": LAST},
                "label": label,
            }
        ),
        "Predictions": _closed(
            {
                "request_id": REQUEST_ID,
                "model": {"type": "string"},
                "version": {"type": "integer"},
                "model_digest": {"type": "string"},
                "predictions": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Prediction"},
                },
                "notes": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "Received": _closed({"request_id": REQUEST_ID, "labels": {"type": "integer"}}),
        "Status": _closed({"status": {"type": "string", "enum": ["live", "ready"]}}),
        "Model": {"type": "object"},
        "Problem": PROBLEM,
    }
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if tokens:
        found["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
    else:
        for path in paths.values():
            for operation in path.values():
                operation.pop("security", None)
    return found


def _operation(
    summary: str,
    body: dict[str, Any] | None,
    answer: str,
    scopes: list[str] | None = None,
    *,
    explain: bool = False,
    status: int = 200,
) -> dict[str, Any]:
    """Return one operation with its answer and its refusals."""
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = [429, 500, 503] + ([401, 403] if scopes else [])
    refusals += [400, 408, 413, 415, 422] if body else []
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    found: dict[str, Any] = {
        "summary": summary,
        "responses": {
            str(status): {"description": "The answer.", "content": content},
            **{str(n): {"description": TEXTS[n], "content": problem} for n in sorted(refusals)},
        },
    }
    if body:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    if explain:
        said = "whether each prediction comes with contributions that add up to the output"
        found["parameters"] = [
            {"name": "explain", "in": "query", "description": said, "schema": {"type": "boolean"}}
        ]
    if scopes:
        found["security"] = [{"token": scopes}]
    return found


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has exactly these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "why there is no answer (RFC 9457)",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": REQUEST_ID,
        "errors": {
            "type": "array",
            "items": _closed({"pointer": {"type": "string"}, "detail": {"type": "string"}}),
        },
        "error_count": {"type": "integer"},
    },
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
}

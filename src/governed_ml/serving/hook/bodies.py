"""The body of a request as one JSON object, read strictly. No message repeats a value of it."""

from __future__ import annotations

import json
from typing import Any

from governed_ml.serving.http.problems import RequestRefused


def json_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds.

    Raise `RequestRefused`: 400 if the body is not strict JSON, 422 if it is no object.
    """
    try:
        content: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise _malformed("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"the body is not JSON: {error.msg}") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # thousands of digits, deep nesting
        raise _malformed("the body is not JSON that can be read") from error
    if not isinstance(content, dict):
        raise RequestRefused(422, "invalid-body", "the body must be a JSON object")
    return content  # pyright: ignore[reportUnknownVariableType]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed("a name occurs more than once in its object")
    return found


def _constant(_: str) -> Any:
    raise _malformed("NaN and Infinity are not JSON")


def _malformed(detail: str) -> RequestRefused:
    return RequestRefused(400, "malformed-json", detail)

"""Errors for people: raise a `Problem`, or return an `Unusable` in place of a value.

Both hold one line that says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Value = TypeVar("Value")
FOUND, NO_ANSWER = 1, 2
"""Exit codes. 0: success; 1: a finding or a denial; 2: no answer, or wrong usage."""


class Problem(Exception):
    """An error for people; `exit_code` is `FOUND` or `NO_ANSWER`."""

    def __init__(self, message: str, exit_code: int = NO_ANSWER) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code
        self.trace = ""  # the traceback, if the problem was raised in another process
        self.lines: tuple[str, ...] = ()  # the message for a terminal, if it is long


class Unusable(NamedTuple):
    """Takes the place of a value that is missing or unusable, and gives the reason in one line."""

    reason: str

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


def required(found: Value | Unusable, exit_code: int = NO_ANSWER) -> Value:
    """Return the value, or raise a `Problem` with the reason if it is unusable."""
    if isinstance(found, Unusable):
        raise Problem(found.reason, exit_code)
    return found


def cause(error: BaseException) -> str:
    """Return an exception's message; for an `OSError`, without the path."""
    return getattr(error, "strerror", None) or first_line(error)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in singular or plural: `1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_line(error: BaseException, limit: int = 300) -> str:
    """Return the message of a library's exception as one line of at most `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def explain_invalid(
    error: ValidationError,
    where: str,
    values: object,
    model: type[BaseModel],
    prefix: tuple[str, ...] = (),
) -> Problem:
    """Turn a validation error into a `Problem` of one line that names a key at fault.

    Misspelt keys are named first. `values` was validated against `model`; with `prefix`, the
    validated values are found in `values` under these keys.
    """
    errors = error.errors()
    unknown = [one for one in errors if one["type"] == "extra_forbidden"]
    import difflib

    first = (unknown or errors)[0]
    path = (*prefix, *first["loc"])
    key = _place(path, values) or "(top level)"
    given = first["input"]
    if unknown:
        known = sorted(_known(path, model))
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
        message = f"no such key; {hint}"
    elif first["type"] == "missing":
        message = "this key is missing"
    else:
        message = first["msg"].removeprefix("Value error, ").partition(" or instance of")[0]
        if given is None or isinstance(given, str | int | float):
            message += f"; it is {_shown(given)}"
        if first["type"] == "string_type" and isinstance(given, bool | int | float):
            message += ": put it in quotes"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return Problem(f"{where}: {key}: {message}{more}")


def _shown(given: object) -> str:
    text = "empty" if given is None else repr(given)
    return text if len(text) <= 60 else text[:59] + "…"


def _place(path: tuple[str | int, ...], values: object) -> str:
    """Return a path such as `policy.rules[split.test_rows].block`; list items are named by id."""
    text, here = "", values
    for part in path:
        found: Any = here
        here = found[part] if _has(found, part) else None
        if isinstance(part, int):
            item: dict[str, Any] = here if isinstance(here, dict) else {}
            text += f"[{item.get('id') or item.get('rule') or part}]"
        else:
            text += f".{part}" if text else part
    return text


def _has(values: Any, part: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, dict) and part in values


def _known(path: tuple[str | int, ...], model: type[BaseModel]) -> set[str]:
    """Return the keys that are allowed in the place of a misspelt one."""
    from pydantic import BaseModel

    for part in path[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = [field.annotation] if field else []
        while inner:
            one: Any = inner.pop()
            inner += get_args(one)
            if isinstance(one, type) and issubclass(one, BaseModel):
                model = one
    return set(model.model_fields)

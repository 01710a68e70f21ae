"""Rules written in CEL, for requirements that a limit cannot express.

CEL is the language of Kubernetes admission policies. An undefined name in it is an error, and an
expression that cannot be evaluated counts as a failed rule.
"""

from __future__ import annotations

from typing import Any

from governed_ml.core.problem import first_line


def holds(expression: str, values: dict[str, Any]) -> tuple[bool | None, str | None]:
    """Evaluate a CEL expression over `evidence` and `params`.

    Return (True, None), or False (does not hold) or None (cannot be evaluated) with the reason.
    """
    import cel

    try:
        result: object = cel.evaluate(expression, values)
    except Exception as error:  # noqa: BLE001 - whatever it is, the rule has failed
        detail = (
            f"{error.args[0]} does not exist"
            if isinstance(error, KeyError)
            else first_line(error, 160)
        )
        return None, f"cannot evaluate `{expression}`: {detail}"
    if result is True:
        return True, None
    if result is False:
        return False, f"does not hold: {expression}"
    return None, f"`{expression}` gives {type(result).__name__}, not true or false"


def syntax_error(expression: str) -> str | None:
    """Return why an expression is not valid CEL, or None."""
    import cel

    try:
        cel.compile(expression)
    except (RuntimeError, TypeError, ValueError) as error:
        text = str(error)  # begins with the expression, which may be long
        return text.partition("ERROR: <input>:")[2].partition("\n")[0] or first_line(error, 160)
    return None

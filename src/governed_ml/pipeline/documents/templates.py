"""Fill a Jinja template that lies beside the module which uses it; every value is escaped.

A template `x.md.jinja` belongs to the module `x.py`, and is part of the code of every stage that
imports this module. A value becomes text in `finalize`, so nothing in a template can forget to
escape it. Only what has a method `__html__` (the output of a macro, of `join`, `listed` or a filter
given in `filters`) goes into the document as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem, counted, first_line

Escape = Callable[[str], str]
SMALL = 1e-6  # below it a number has an exponent


def fill(
    template: Path,
    escape: Escape,
    values: Mapping[str, Any],
    filters: Mapping[str, Escape] | None = None,
) -> str:
    """Return the document. `escape` makes of any text one that is no markup.

    `filters` have an escape of their own: what they return is not escaped again.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
    from markupsafe import Markup

    def ready(text: str) -> Any:
        return Markup(text)  # noqa: S704 - each caller escapes first

    def shown(value: Any) -> Any:
        if hasattr(value, "__html__"):
            return value
        return ready("–" if value is None else escape(str(value)))

    def join(found: Iterable[Any], between: str = ", ") -> Any:
        return ready(between.join(str(shown(one)) for one in found))

    def listed(found: Iterable[Any]) -> Any:
        *others, last = found
        return join([join(others), last], " and ") if others else shown(last)

    environment = Environment(
        autoescape=True,  # so that the output of a macro is not escaped twice
        finalize=shown,
        loader=FileSystemLoader(template.parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": number, "percent": percent, "join": join, "listed": listed}
    for name, own in (filters or {}).items():
        environment.filters[name] = lambda value, own=own: ready(own(str(value)))
    try:
        return environment.get_template(template.name).render({"counted": counted, **values})
    except TemplateError as error:
        raise Problem(f"{template.name}: {first_line(error)}: install governed-ml again") from error


def number(value: float | None, whole: float = 1.0) -> str:
    """Return a number for people: three digits, thousands separated.

    What is less than `whole` never reads as `whole`: 0.9996 is not 1.
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    shown = next(
        text
        for digits in range(3, 18)
        if abs(float(text := f"{value:.{digits}g}")) < whole or abs(value) >= whole
    )
    if abs(float(shown)) >= 1000:
        return f"{float(shown):,.0f}"
    return format(Decimal(shown), "f") if abs(value) >= SMALL else shown


def percent(value: float | None) -> str:
    """Return a share as a percentage: 0.1234 is `12.3 %`."""
    return "–" if value is None else f"{number(value * 100, 100.0)} %"

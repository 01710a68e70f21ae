"""Write PromQL whose names and labels are those of the list of families."""

from __future__ import annotations

from collections.abc import Mapping

from governed_ml.serving.metrics.names import Family


def quoted(text: str) -> str:
    """Return a text as PromQL writes it."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def chosen(
    family: Family, where: str, labels: Mapping[str, str] | None = None, *, part: str = ""
) -> str:
    """Return a selector of a family's series; `where` are matchers of the target, as `job="x"`.

    A value that begins with `~` is a regular expression. Raise `ValueError` for a label that the
    family lacks, or a part (`_bucket`) that it has not.
    """
    name = family.name + part
    if name not in family.series:
        raise ValueError(f"{family.name} has no series {name}")
    matchers = [where]
    for label, value in (labels or {}).items():
        if label not in family.labels and (label, part) != ("le", "_bucket"):
            raise ValueError(f"{family.name} has no label {label}")
        sign, text = ("=~", value[1:]) if value.startswith("~") else ("=", value)
        matchers.append(f"{label}{sign}{quoted(text)}")
    return f"{name}{{{','.join(matchers)}}}"


def grouped(how: str, by: str, expression: str) -> str:
    """Return an aggregation (`sum`, `max`, `min`) by some labels."""
    return f"{how} by ({by}) ({expression})"


def rate(selector: str, window: str) -> str:
    """Return the increase per second of a counter."""
    return f"rate({selector}[{window}])"


def number(value: float) -> str:
    """Return a number as PromQL writes it."""
    return f"{value:.12g}"

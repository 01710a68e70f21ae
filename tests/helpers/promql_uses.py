"""What PromQL asks for: names of series and labels, and what of it a scrape does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scraped import Series, labels_of

from governed_ml.serving.metrics import names

VARIABLES = {"$__rate_interval": "5m", "$job": "models"}
"""Grafana's variables, as it would replace them."""
OF_PROMETHEUS = {"up": {"job", "instance"}}
"""What Prometheus itself knows of a target."""
OF_TARGET = {"job", "instance"}
"""What Prometheus adds to each series of a target."""


@dataclass
class Use:
    """One selector: the name, the labels that it or something around it names, its matchers."""

    name: str
    labels: set[str] = field(default_factory=set)
    matchers: list[tuple[str, str, bool]] = field(default_factory=list)


def substituted(query: str) -> str:
    """A query as Prometheus gets it from Grafana."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def uses(query: str) -> list[Use]:
    """The selectors in a query."""
    import promql_parser

    return list(_uses(promql_parser.parse(substituted(query)), set()))


def _uses(node: Any, around: set[str]) -> Iterator[Use]:
    kind = type(node).__name__
    if kind == "VectorSelector":
        found = [(one.name, one.value, "Re" in str(one.op)) for one in node.matchers.matchers]
        yield Use(node.name, around | {name for name, _, _ in found}, found)
        return
    if kind == "MatrixSelector":
        yield from _uses(node.vector_selector, around)
        return
    modifier = getattr(node, "modifier", None)
    named = set(getattr(modifier, "labels", None) or ()) if kind == "AggregateExpr" else set[str]()
    inner = [getattr(node, name, None) for name in ("lhs", "rhs", "expr")]
    for one in [*inner, *(getattr(node, "args", None) or ())]:
        if one is not None:
            yield from _uses(one, around | named)


def missing(query: str, live: Series) -> list[str]:
    """What a query asks for that a scrape does not have."""
    known = labels_of(live) | OF_PROMETHEUS
    listed = {series: one for one in names.FAMILIES for series in one.series}
    found: list[str] = []
    for use in uses(query):
        if use.name not in known:
            found.append(f"no series {use.name}")
            continue
        lost = use.labels - known[use.name] - OF_TARGET
        found += [f"{use.name} has no label {label}" for label in sorted(lost)]
        for label, value, pattern in use.matchers:
            if label in lost | OF_TARGET or use.name in OF_PROMETHEUS:
                continue
            values = {value for name, pairs in live if name == use.name
                      for key, value in pairs if key == label}  # fmt: skip
            bounded = listed[use.name].labels.get(label, ())
            values |= set() if isinstance(bounded, str) else set(bounded)
            hits = [
                one for one in values if re.fullmatch(value if pattern else re.escape(value), one)
            ]
            if not hits:
                found.append(f"{use.name} has no {label} {value}")
    return found

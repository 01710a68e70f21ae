"""The dashboard of Grafana, as JSON that can be imported."""

from __future__ import annotations

from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.dashboards.panel import Panel, Query
from governed_ml.serving.metrics.dashboards.panels import panels

SCHEMA_VERSION = 42
"""Grafana's version of this format; it converts older ones."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, ACROSS = 24, 8, 4
WITHOUT_TIME = {
    "id": "organize",
    "options": {"excludeByName": {"Time": True, "Value": True}},
}
GREEN, RED = "green", "red"


def dashboard(params: Params, job: str) -> dict[str, Any]:
    """Return the dashboard of a project; `job` is the one that is shown first."""
    name = params.project.name
    return {
        "title": f"Governed model: {name}",
        "description": "Written by `governance alerts`: change the policy or settings, not this.",
        "tags": ["governed-ml"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables(job)},
        "panels": _placed(panels(params)),
    }


def _variables(job: str) -> list[dict[str, Any]]:
    query = f"label_values({names.READY.name}, job)"
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        },
        {
            "name": "job",
            "label": "Job",
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": "job"},
            "refresh": 2,
            "sort": 1,
            "current": {"text": job, "value": job},
        },
    ]


def _placed(sections: dict[str, list[Panel]]) -> list[dict[str, Any]]:
    """Return the panels of each section in rows, under a heading."""
    found: list[dict[str, Any]] = []
    top = 0
    for heading, shown in sections.items():
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        found.append(
            {"id": len(found) + 1, "type": "row", "title": heading, "collapsed": False,
             "gridPos": place, "panels": []}
        )  # fmt: skip
        top += 1
        rows = -(-len(shown) // ACROSS)
        for number in range(rows):  # as evenly as possible
            row = shown[len(shown) * number // rows : len(shown) * (number + 1) // rows]
            width = WIDTH // len(row)
            for column, one in enumerate(row):
                place = {"h": HEIGHT, "w": width, "x": column * width, "y": top}
                found.append({"id": len(found) + 1, "gridPos": place} | _panel(one))
            top += HEIGHT
    return found


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0} if panel.unit != "short" else {}
    if panel.limit is not None:
        defaults |= _limit(panel)
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [
            _target(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place], panel.kind)
            for place, one in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        **({"transformations": [WITHOUT_TIME]} if panel.kind == "table" else {}),
    }


def _target(query: Query, name: str, kind: str) -> dict[str, Any]:
    shape = {"heatmap": "heatmap", "table": "table"}.get(kind, "time_series")
    return {
        "refId": name,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": shape,
        "instant": query.instant,
        "range": not query.instant,
    }


def _limit(panel: Panel) -> dict[str, Any]:
    """Return the colours on both sides of a limit, and the line of a time series."""
    below, beyond = (RED, GREEN) if panel.least else (GREEN, RED)
    steps = [{"color": below, "value": None}, {"color": beyond, "value": panel.limit}]
    line = {"custom": {"thresholdsStyle": {"mode": "dashed"}}}
    return {
        "thresholds": {"mode": "absolute", "steps": steps},
        **(line if panel.kind == "timeseries" else {}),
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "colorMode": "background",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    if panel.kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": "none"}, "legend": {"show": False}}
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"}}  # fmt: skip
    return {"showHeader": True}

"""The dashboard: its queries ask for what a scrape has, and Grafana can import it."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest
from baked import BakedProject
from promql_uses import missing, uses
from scraped import busy, series

from governed_ml.core.config import composition
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.dashboards.dashboard import dashboard

JOB = "models"
RECTANGLE = ("x", "y", "w", "h")


@pytest.fixture(name="shown", scope="module")
def of_project(project: BakedProject) -> dict[str, Any]:
    """The dashboard of the default project, as JSON keeps it."""
    params = composition.compose(project.path / "conf", ["policy=high"])
    return json.loads(json.dumps(dashboard(params, JOB), allow_nan=False))


def queries(shown: dict[str, Any]) -> list[str]:
    """The queries of all panels."""
    return [one["expr"] for panel in shown["panels"] for one in panel.get("targets", [])]


def test_what_a_panel_asks_for_is_in_a_scrape(project: BakedProject, shown: dict[str, Any]) -> None:
    # Given a scrape of a service that has done a bit of everything
    params = composition.compose(project.path / "conf", ["policy=high"])
    live = series(busy(params.policy).render()[0])
    # When each query is held against it, then each name, label and value is there
    asked = queries(shown)
    assert len(asked) > 25
    assert not [(one, lost) for one in asked if (lost := missing(one, live))]
    # And without one of the series, it is missed
    for name in {use.name for one in asked for use in uses(one)}:
        rest = {key: value for key, value in live.items() if key[0] != name}
        assert f"no series {name}" in [said for one in asked for said in missing(one, rest)]


def test_every_family_is_in_a_panel_or_in_a_list_of_those_that_are_not(
    shown: dict[str, Any],
) -> None:
    # Given the families that panels ask for, when they are held against the list
    asked = {use.name for one in queries(shown) for use in uses(one)}
    left = {one.name for one in names.FAMILIES if not asked & set(one.series)}
    # Then only those are left out that alerts, or people who search, use
    assert left == {
        f"{names.PREFIX}{name}"
        for name in (
            *("answers_total", "ledger_failures_total", "ledger_event_timestamp_seconds"),
            *("log_written_timestamp_seconds", "log_bytes", "log_vanished_files", "window_rows"),
        )
    }


def test_each_panel_has_a_source_a_unit_and_its_own_place(shown: dict[str, Any]) -> None:
    # Given the panels, when they are looked at
    panels = [one for one in shown["panels"] if one["type"] != "row"]
    assert len(panels) > 15
    for one in panels:
        # Then each has the source that the person chooses, a unit, and a description
        assert one["datasource"]["uid"] == "${datasource}"
        assert all(query["datasource"] == one["datasource"] for query in one["targets"])
        assert one["description"].endswith(".")
    units = {one["title"]: one["fieldConfig"]["defaults"].get("unit") for one in panels}
    assert units["Time to answer"] == "s"
    assert units["Requests that fail"] == "percentunit"
    # And none covers another, or is outside
    for one, other in combinations(shown["panels"], 2):
        assert not overlap(*(panel["gridPos"] for panel in (one, other))), other["title"]
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in shown["panels"])
    assert len({one["id"] for one in shown["panels"]}) == len(shown["panels"])
    # And queries have names of their own
    for one in panels:
        assert len({query["refId"] for query in one["targets"]}) == len(one["targets"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two rectangles have a place in common."""
    x, y, w, h = (one[name] for name in RECTANGLE)
    a, b, c, d = (other[name] for name in RECTANGLE)
    return x < a + c and a < x + w and y < b + d and b < y + h


def test_the_person_chooses_source_and_job(shown: dict[str, Any]) -> None:
    # Given the variables, when they are read
    source, job = shown["templating"]["list"]
    # Then one is a source of Prometheus, the other a job whose series there are
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert job["definition"] == f"label_values({names.READY.name}, job)"
    # And each query is about the chosen job
    about = [one for one in queries(shown) if not one.startswith("vector(")]
    assert all('job="$job"' in one for one in about)


def test_limits_are_those_of_policy_and_settings(
    project: BakedProject, shown: dict[str, Any]
) -> None:
    # Given a panel about requests and one about windows
    panels = {one["title"]: one for one in shown["panels"]}
    steps = panels["Requests that fail"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    # When their limits are read, then they are the setting's and the policy's
    params = composition.compose(project.path / "conf", ["policy=high"])
    assert steps[1] == {"color": "red", "value": params.serve.alerts.error_share}
    fair = {one["legendFormat"]: one["expr"] for one in
            panels["Fairness of the last window"]["targets"]}  # fmt: skip
    same = "fairness.demographic_parity, fairness.equalized_odds"
    assert fair[f"limit (warn): {same}"] == "vector(0.05)"

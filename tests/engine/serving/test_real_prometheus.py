"""A real Prometheus scrapes the running service: faults become alerts, and health does not."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from baked import BakedProject
from http_service import Ledger, model_of, post, rows_of, running, service_of
from prometheus_stack import Prometheus, needs_prometheus, until, watching
from promql_uses import VARIABLES, substituted
from scraped import life, measured

from governed_ml.core.config import composition
from governed_ml.core.config.params import Params
from governed_ml.serving.metrics.dashboards.dashboard import dashboard

pytestmark = [pytest.mark.nightly, needs_prometheus]
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
JOB = VARIABLES["$job"]


@dataclass
class Watched:
    """A running service, and the Prometheus that scrapes it."""

    project: BakedProject
    params: Params
    ledger: Ledger
    port: int
    folder: Path
    prometheus: Prometheus

    def ask(self, rows: int = 2) -> int:
        """Ask for predictions; return the status."""
        return post(self.port, "/predict", rows_of(self.project, rows)).status


@pytest.fixture(name="watched")
def of_project(project_after_run: BakedProject, tmp_path: Path) -> Generator[Watched]:
    """The default project's model, served and scraped; its last window is of today."""
    params = composition.compose(project_after_run.path / "conf")
    assert params.policy.monitoring is not None
    found = life({"values": measured(params.policy)}, promoted=YESTERDAY, days=0)
    ledger = Ledger({3: model_of(project_after_run, found.versions[3])}, found, params.policy)
    with (
        running(service_of(tmp_path / "service", ledger)) as port,
        watching(params, JOB, port, tmp_path / "prometheus") as prometheus,
    ):
        yield Watched(project_after_run, params, ledger, port, tmp_path / "service", prometheus)


def test_a_fault_becomes_an_alert_that_reaches_people_and_health_does_not(
    watched: Watched,
) -> None:
    # Given a healthy service that is asked, when every rule was judged on its scrapes
    prometheus, hook = watched.prometheus, watched.prometheus.hook
    until(lambda: bool(prometheus.query("up == 1")), "the service is scraped")
    start = time.time()

    def judged_with_traffic() -> bool:
        assert watched.ask() == 200
        return time.time() > start + 40

    until(judged_with_traffic, "the service was asked for a while")
    rules = prometheus.rules()
    # Then no rule has an error, none is pending or fires, and nobody was told anything
    assert len(rules) > 20
    assert {one["health"] for one in rules} == {"ok"}
    assert prometheus.firing() == set()
    assert hook.received == []
    # When the log cannot be written, because something else is in its place
    log = watched.folder / "data" / "prediction_log"
    log.rename(log.with_name("away"))
    log.write_bytes(b"")

    def told_of_the_log() -> bool:
        assert watched.ask() == 503
        return hook.names("firing") >= {"LogUnwritable", "RequestsFail"}

    # Then people are told that the log cannot be written and that requests fail
    until(told_of_the_log, "the alerts reached the webhook")
    assert "ServiceDown" not in hook.names("firing")
    (sent,) = [one for message in hook.received for one in message["alerts"]
               if one["labels"]["alertname"] == "LogUnwritable"][:1]  # fmt: skip
    assert sent["labels"] | {"job": JOB, "store": "predictions"} == sent["labels"]
    assert "free disk space" in sent["annotations"]["fix"]
    # And when it can be written again, they are told that, too
    log.unlink()

    def told_of_the_end() -> bool:
        assert watched.ask() == 200
        return hook.names("resolved") >= {"LogUnwritable", "RequestsFail"}

    until(told_of_the_end, "the end of the alerts reached the webhook")


def test_a_bad_window_in_the_ledger_becomes_an_alert(watched: Watched) -> None:
    # Given a service that is scraped, whose champion was measured and is healthy
    prometheus, hook = watched.prometheus, watched.prometheus.hook
    until(lambda: bool(prometheus.query("governed_ml_window_value")), "the window is scraped")
    until(lambda: not prometheus.firing(), "no alert fires or is about to")
    # When the ledger gets a window with drift and another treatment of a group, which asks for
    # a rollback
    policy = watched.params.policy
    bad = measured(policy, **{"drift.data[income]": 0.4, "fairness.demographic_parity[sex]": 0.3})
    found = life({"values": bad, "level": "rollback"}, promoted=YESTERDAY, days=0)
    watched.ledger.life.versions[3].entries[:] = found.versions[3].entries
    # Then people are told: those who own the rules, by the label `owner`
    wanted = {"WindowDrift", "WindowFairness", "WindowAsksForRollback"}
    until(lambda: hook.names("firing") == wanted, "the alerts reached the webhook")
    owners = {
        one["labels"]["alertname"]: (message["receiver"], one["labels"].get("group"))
        for message in hook.received
        for one in message["alerts"]
    }
    assert owners["WindowFairness"] == ("risk-owner", "sex")
    assert owners["WindowDrift"][0] == "model-owner"


def test_every_panel_finds_something_in_a_real_scrape(watched: Watched) -> None:
    # Given a service that answered, refused and failed to, when it was scraped
    prometheus = watched.prometheus
    start = time.time()

    def asked() -> bool:
        watched.ask()
        post(watched.port, "/predict", [{"no": "column"}])
        return time.time() > start + 40

    until(asked, "the service was asked for a while")
    panels = [one for one in dashboard(watched.params, JOB)["panels"] if one["type"] != "row"]
    # Then each panel has something to show
    empty = [
        panel["title"]
        for panel in panels
        if not any(prometheus.query(substituted(one["expr"])) for one in panel["targets"])
    ]
    assert len(panels) > 15
    assert empty == []


def test_a_service_without_a_champion_becomes_an_alert(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a service that is scraped
    params = composition.compose(project_after_run.path / "conf")
    found = life({"values": measured(params.policy)}, promoted=YESTERDAY, days=0)
    ledger = Ledger({3: model_of(project_after_run, found.versions[3])}, found, params.policy)
    with (
        running(service_of(tmp_path / "service", ledger)) as port,
        watching(params, JOB, port, tmp_path / "prometheus") as prometheus,
    ):
        until(lambda: bool(prometheus.query("up == 1")), "the service is scraped")
        # When its ledger has no champion any more
        ledger.life.versions[3].state = "quarantined"
        # Then people are told that it is not ready, and not that requests fail
        until(lambda: prometheus.hook.names("firing") == {"ServiceNotReady"}, "not ready")

"""A champion is watched through its registry: every level, what follows from it, who is told."""

from __future__ import annotations

import json
import re
import sqlite3
import time

import pandas as pd
import pytest
import registry
import yaml
from baked import BakedProject
from watching import ROWS, batch, later, limit, monitor, shifted, windows, written

from governed_ml.core.config.composition import compose
from governed_ml.monitoring.window_rows import GRACE

pytestmark = pytest.mark.slow

CONTRACT = "governance/expectations/synthetic.json"


def test_every_level_is_recorded_shown_and_kept(contested: BakedProject) -> None:
    project = contested
    # Given a champion, and a working tree whose contract no row would keep
    contract = project.read(CONTRACT)
    spoilt = re.sub(r'("max_value": )[0-9.]+', r"\1-1", contract)
    assert spoilt != contract
    project.write(CONTRACT, spoilt)
    # When a good batch, one with a moved column, and too few rows are monitored
    good = batch(project, name="good.csv")
    first = monitor(project, good)
    moved = pd.read_csv(batch(project, 1))
    second = monitor(project, written(project, moved.assign(income=moved.income * 3)), code=1)
    third = monitor(project, written(project, moved.head(20), "few.csv"), code=2)
    # Then each is a window with its level and what it asks for
    shown = [(one["window"], one["level"], one["due"]) for one in (first, second, third)]
    assert shown == [(1, "healthy", "none"), (2, "retrain", "retrain"), (3, "not_measured", "none")]
    assert third["reasons"] == ["20 rows, at least 300 wanted"]
    assert first["version"] == 1
    assert {"id", "verdict", "value", "limits", "reason"} <= set(first["rules"][0])
    # And the ledger has all of it, of the champion, with nothing of this machine
    events = windows(project)
    assert [one["details"]["window"] for one in events] == [1, 2, 3]
    subject = registry.ledger(project)[0]["subject"]
    for event in events:
        assert event["version"] == 1
        assert event["subject"]["model"] == subject["model"]
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", event["details"]["digest"])
        assert set(event["details"]) == {
            *("window", "batch", "digest", "rows", "labelled", "from", "to"),
            *("level", "reasons", "values", "risk", "asking", "unknown"),
        }
    assert str(registry.home(project)) not in json.dumps(events)
    assert events[1]["details"]["values"]["drift.data[income]"] > 0.25
    # And derived files, which git does not see
    folder = project.path / "reports" / "monitoring"
    history = pd.read_parquet(folder / "history.parquet")
    assert history.groupby("window")["level"].first().tolist() == [
        *("healthy", "retrain", "not_measured"),
    ]
    latest = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    assert (latest["said"]["window"], latest["version"]) == (3, 1)
    assert (folder / "trends.svg").read_text(encoding="utf-8").count("<circle") == 3
    assert "monitoring" not in project.run(["git", "status", "--porcelain"]).stdout
    # And the same batch again is no new window, whatever it is called and however it is sorted
    again = registry.home(project) / "again.csv"
    header, *rows = good.read_text(encoding="utf-8").splitlines(keepends=True)
    again.write_text("".join([header, *reversed(rows)]), encoding="utf-8")
    assert monitor(project, again)["window"] == 1
    assert len(windows(project)) == 3
    # And once it is old it is healthy no more: a feed that stands still is not alive
    assert "not measured" in (done := later(project, 60, "monitor", str(good), code=2)).stdout
    assert "stale: the newest row is of" in done.stdout
    assert len(windows(project)) == 3
    # And status and registry agree, and people see a table
    assert registry.status(project)["watched"].startswith("window 3 of champion 1")
    table = project.governance("monitor", str(registry.home(project) / "batch.csv"), code=1).stdout
    assert "drift.data[income]" in table
    assert "the policy asks for `retrain`" not in table  # the last window asks for nothing


@pytest.mark.nightly
def test_labels_that_come_later_are_the_same_windows(contested: BakedProject) -> None:
    project = contested
    # Given a window of the prediction log without labels, by conf/config.yaml on main
    settings = yaml.safe_load(project.read("conf/config.yaml"))
    settings["monitor"]["source"] = {"kind": "log"}
    url = f"sqlite:///{(registry.home(project) / 'labels.db').as_posix()}"
    settings["monitor"]["labels"] = {"kind": "sql", "url": "env:LABELS"}
    settings["monitor"]["labels"]["query"] = "SELECT * FROM labels"
    project.write("conf/config.yaml", yaml.safe_dump(settings, sort_keys=False))
    registry.save(project, "What to monitor")
    rows = pd.read_csv(batch(project))
    words = ["--output", str(registry.home(project) / "out.csv"), "--request", "day-1"]
    project.call("predict", str(written(project, rows.drop(columns="repaid"))), *words)
    time.sleep(GRACE[-1])  # younger rows are left to the next window
    with sqlite3.connect(registry.home(project) / "labels.db") as db:
        empty = pd.DataFrame({"request_id": ["?"], "row": [0], "label": ["yes"]})
        empty.to_sql("labels", db, index=False)
    first = monitor(project, code=1, LABELS=url)
    assert (first["window"], first["rows"], first["labelled"]) == (1, ROWS, 0)
    # When labels come, and the log's folder of that day is monitored
    with sqlite3.connect(registry.home(project) / "labels.db") as db:
        labels = {"request_id": "day-1", "row": rows.index, "label": rows["repaid"]}
        pd.DataFrame(labels).to_sql("labels", db, index=False, if_exists="append")
    [folder] = (project.path / "data" / "prediction_log").glob("2*")
    second = monitor(project, folder, LABELS=url)
    # Then it is the same window, which now says more; intersections are too small to be sure
    assert (second["window"], second["labelled"]) == (1, ROWS)
    assert second["level"] == "healthy"
    unsure = [one["id"] for one in second["rules"] if one["verdict"] != "healthy"]
    assert unsure == [
        "fairness.demographic_parity[sex*age_group]",
        "fairness.equalized_odds[sex*age_group]",
    ]
    values = windows(project)[-1]["details"]["values"]
    assert values["performance.roc_auc"] > 0.7
    assert len(windows(project)) == 2
    # And what is new in the log since then is nothing: that is not healthy
    assert monitor(project, code=2, LABELS=url)["reasons"][0].startswith("0 rows, at least")
    # And without the database nobody can judge
    done = project.call("monitor", str(folder), code=None)
    registry.refused(done, "the environment variable LABELS is not set", code=2)


@pytest.mark.nightly
def test_the_third_window_in_a_row_rolls_back(contested: BakedProject) -> None:
    project = contested
    # Given a second champion, and windows in which groups part
    project.call("promote")
    limit(project)
    champion = registry.ledger(project)[0]["subject"]["model"]
    monitor(project, batch(project))
    found = [monitor(project, shifted(project, part), code=1) for part in (1, 2)]
    # When there are two, with one between them that is too small, then they hold
    assert [(one["level"], one["due"], one["in_a_row"]) for one in found] == [
        ("rollback", "retrain", 1),
        ("rollback", "retrain", 2),
    ]
    few = written(project, pd.read_csv(batch(project)).head(9), "few.csv")
    assert monitor(project, few, code=2)["due"] == "none"
    assert registry.states(project)[2] == "champion"
    # When the third comes, then the champion before is champion again, by itself
    last = monitor(project, shifted(project, 3), code=1)
    assert (last["due"], last["in_a_row"], last["rolled_back_to"]) == ("rollback", 3, 1)
    assert registry.states(project) == {1: "champion", 2: "quarantined"}
    event = registry.ledger(project)[-1]
    assert event["action"] == "rolled_back"
    assert event["reason"].startswith("windows 2, 3, 5 ask for it: fairness.demographic_parity")
    # And its bytes are those that were registered
    out = registry.home(project) / "out.csv"
    project.call("predict", str(batch(project)), "--output", str(out))
    assert set(pd.read_csv(out)["model_digest"]) == {champion}
    # And what the other had in a row is not held against it
    assert monitor(project, shifted(project, 4), code=1)["in_a_row"] == 1


@pytest.mark.nightly
def test_trap_33_a_failed_alert_and_a_failed_roll_back_are_seen(contested: BakedProject) -> None:
    project = contested
    # Given a champion before which there was none, and a webhook that nobody answers
    settings = yaml.safe_load(project.read("conf/config.yaml"))
    settings["notify"] = {"url": "env:HOOK", "shape": "json"}
    project.write("conf/config.yaml", yaml.safe_dump(settings, sort_keys=False))
    limit(project, rollback_windows=2)
    hook = {"HOOK": "http://127.0.0.1:9/secret"}
    # When a window is not healthy and the message is lost, then all is red and on record
    done = project.call("monitor", str(shifted(project, 1)), code=None, **hook)
    line = registry.refused(
        done, "monitored is recorded, but http://127.0.0.1:9 could not be notified", code=2
    )
    assert "secret" not in line
    assert registry.actions(project)[-2:] == ["monitored 1", "notification_lost"]
    # When a rollback is due and there is nothing to go back to, then both failures are said
    done = project.call("monitor", str(shifted(project, 2)), code=None, **hook)
    registry.refused(done, "could not be notified", "there is nothing to roll back to")
    assert registry.actions(project)[-4:] == [
        *("monitored 1", "notification_lost", "rollback_failed 1", "notification_lost"),
    ]
    assert "the policy asks for `rollback`, 2 in a row" in done.stdout


def test_trap_22_nothing_is_promoted_while_the_champion_is_not_monitored(
    contested: BakedProject,
) -> None:
    days = compose(contested.path / "conf").policy.monitoring.liveness_days + 1
    project = contested

    # Given a champion without a measured window for too long: one of nine rows does not count
    few = written(project, pd.read_csv(batch(project, days=days)).head(9), "few.csv")
    assert "9 rows, at least" in later(project, days, "monitor", str(few), code=2).stdout
    # When the next is to be promoted, then it is refused, and says what to run
    done = later(project, days, "promote", code=1)
    cause = ("champion 1 is not monitored", f"{days} days ago", "governance monitor BATCH")
    registry.refused(done, *cause)
    # When a window was measured, then it can be
    later(project, days, "monitor", str(batch(project, days=days)))
    key = str(registry.home(project) / "keys" / "owner")
    later(project, days, "approve", "2", "--as", "owner", "--key", key)
    later(project, days, "promote")
    seen = json.loads(later(project, days, "status", "--json").stdout)
    assert {row["version"]: row["state"] for row in seen["rows"]}[2] == "champion"


@pytest.mark.nightly
def test_missing_prerequisites_of_monitoring_are_reported(registered: BakedProject) -> None:
    project = registered
    # Given no champion, no batch, no section, an unreadable file
    path = batch(project)
    done = project.call("monitor", str(path), code=None)
    registry.refused(done, "there is no champion to monitor", code=2)
    registry.approve(project, 1)
    project.call("promote")
    done = project.call("monitor", code=None)
    registry.refused(done, "set monitor.source in conf/config.yaml", code=2)
    done = project.call("monitor", str(path.with_name("no.csv")), code=None)
    registry.refused(done, "does not exist", code=2)
    # And on a runner, a store that vanishes with it (trap 36)
    if "MLFLOW_TRACKING_URI" not in project.variables:
        done = project.call("monitor", str(path), code=None, GITHUB_ACTIONS="true")
        assert (done.returncode, "MLFLOW_TRACKING_URI" in done.stderr) == (2, True)
    assert windows(project) == []
    text = project.read("conf/policy/base.yaml")
    cut = text[text.index("# Rules about windows of production") :]
    project.write("conf/policy/base.yaml", text.replace(cut, ""))
    registry.save(project, "Nobody watches")
    done = project.call("monitor", str(path), code=None)
    registry.refused(done, "policy limited has no section monitoring", code=2)

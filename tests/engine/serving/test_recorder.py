"""What a scrape of the service shows after what it did; labels are bounded, old series vanish."""

from __future__ import annotations

import ast
import threading
from typing import Any

import policies
import pytest
from engine_source import ENGINE
from hypothesis import given, settings
from hypothesis import strategies as st
from scraped import PROMOTED, busy, champion, life, series, value

from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.serving.metrics import names
from governed_ml.serving.metrics.last_window import last_window
from governed_ml.serving.metrics.recorder import MetricsRecorder

TEXT = st.text(max_size=30)


def test_a_request_is_counted_with_its_route_method_and_status() -> None:
    # Given two requests, one of them slow, when a scrape follows
    recorder = MetricsRecorder()
    recorder.request("/predict", "POST", 200, 0.004)
    recorder.request("/predict", "POST", 200, 0.7)
    # Then they are counted, and their times are in the right buckets
    assert value(recorder, "requests_total", route="/predict", method="POST", status="200") == 2
    times = {
        bound: value(recorder, "request_duration_seconds_bucket", route="/predict", le=bound)
        for bound in ("0.0025", "0.005", "0.5", "1.0", "+Inf")
    }
    assert times == {"0.0025": 0, "0.005": 1, "0.5": 1, "1.0": 2, "+Inf": 2}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT, st.integers(-1, 999), TEXT), max_size=5))
def test_nothing_in_a_request_can_make_a_new_series(requests: list[Any]) -> None:
    # Given a recorder that has counted one request of each unknown kind
    recorder = MetricsRecorder()
    recorder.model("champion", 1, "sha256:1", "champion", (0, 1))
    for route, method, status, kind in [("/x", "X", 599, "x"), *requests]:
        # When requests with any path, method, status, kind and class are counted
        recorder.request(route, method, status, 0.1)
        recorder.refused(kind)
        recorder.predicted("champion", [kind], [0.5], explained=0)
    # Then each label has a listed value, or `other`
    bounded = {
        (series_name, label): {*listed, names.OTHER}
        for family in names.FAMILIES
        for series_name in family.series
        for label, listed in family.labels.items()
        if not isinstance(listed, str)
    }
    bounded[f"{names.PREFIX}predictions_total", "class"] = {"0", "1", names.OTHER}
    for name, labels in series(recorder.render()[0]):
        for label, found in labels:
            assert found in bounded.get((name, label), {found}), (name, label)


def test_a_reload_replaces_the_series_of_the_model() -> None:
    # Given a recorder that shows version 3, when version 4 replaces it
    recorder = MetricsRecorder()
    recorder.model("champion", 3, "sha256:" + "a" * 64, "champion", ("0", "1"))
    recorder.model("champion", 4, "sha256:" + "b" * 64, "champion", ("0", "1"))
    # Then only version 4 is shown, with the start of its digest
    shown = [labels for name, labels in series(recorder.render()[0]) if name.endswith("model_info")]
    assert shown == [
        (("arm", "champion"), ("digest", "b" * 12), ("state", "champion"), ("version", "4"))
    ]
    # And none after it is gone
    recorder.model_gone("champion")
    assert not [name for name, _ in series(recorder.render()[0]) if name.endswith("model_info")]


def test_predictions_are_counted_by_arm_and_class_and_their_scores_in_buckets() -> None:
    # Given a binary champion, when it answers four rows, two of them explained
    recorder = MetricsRecorder()
    recorder.model("champion", 1, "sha256:1", "champion", (0, 1))
    recorder.predicted("champion", [1.0, 0, 1, 1], [0.71, 0.1, 1.0, float("nan")], explained=2)
    # Then rows, explained rows, answers and scores are counted; a score that is none is left out
    counted = {one: value(recorder, "predictions_total", arm="champion", **{"class": one})
               for one in ("0", "1")}  # fmt: skip
    assert counted == {"0": 1, "1": 3}
    assert value(recorder, "explained_total", arm="champion") == 2
    assert value(recorder, "answers_total", arm="champion", explained="true") == 1
    assert value(recorder, "answers_total", arm="champion", explained="false") == 0
    found = {
        bound: value(recorder, "prediction_score_bucket", arm="champion", le=bound)
        for bound in ("0.1", "0.7", "0.8", "1.0", "+Inf")
    }
    assert found == {"0.1": 1, "0.7": 1, "0.8": 2, "1.0": 3, "+Inf": 3}
    total = value(recorder, "prediction_score_sum", arm="champion")
    assert total == pytest.approx(1.81)


def test_predictions_of_a_regression_have_one_class_and_no_scores() -> None:
    # Given a regression, when it answers two rows
    recorder = MetricsRecorder()
    recorder.model("champion", 1, "sha256:1", "champion")
    recorder.predicted("champion", [12.5, 80.25], [12.5, 80.25], explained=0)
    # Then the rows are counted together, and the values make no histogram of scores
    assert value(recorder, "predictions_total", arm="champion", **{"class": "all"}) == 2
    assert value(recorder, "prediction_score_count", arm="champion") is None


def test_alerts_can_see_the_first_increment() -> None:
    # Given a recorder that has counted nothing, when a scrape follows
    found = series(MetricsRecorder().render()[0])
    # Then everything that an alert waits for is there, at zero
    for kind in names.KINDS:
        assert found[f"{names.PREFIX}refused_total", (("kind", kind),)] == 0
    for store in names.STORES:
        assert found[f"{names.PREFIX}log_unwritable_total", (("store", store),)] == 0
    failed = (("method", "POST"), ("route", "/predict"), ("status", "500"))
    assert found[f"{names.PREFIX}requests_total", failed] == 0
    # And what is not known yet is not shown as a number
    assert not [name for name, _ in found if "window" in name or "timestamp" in name]


def test_a_scrape_shows_each_family_of_the_list_and_no_other() -> None:
    # Given a service that has done a bit of everything, when a scrape is read
    found = {name for name, _ in series(busy(policies.of_template("high")).render()[0])}
    # Then each family is there under its name, without series that say when it was created
    assert found == {name for family in names.FAMILIES for name in family.series}


def test_the_format_is_the_one_that_is_asked_for() -> None:
    # Given what Prometheus sends as Accept, when a scrape is rendered
    text, media_type = busy(policies.of_template("high")).render(
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    )
    # Then it is OpenMetrics, and its parser reads it
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert len(list(text_string_to_metric_families(text.decode()))) == len(names.FAMILIES)
    # And without a wish it is the plain format
    assert MetricsRecorder().render()[1].startswith("text/plain; version=0.0.4")


def test_threads_lose_no_count() -> None:
    # Given eight threads, when each counts 500 answers of three rows while others scrape
    recorder = MetricsRecorder()
    recorder.model("champion", 1, "sha256:1", "champion", (0, 1))

    def work() -> None:
        for number in range(500):
            recorder.request("/predict", "POST", 200, 0.01)
            recorder.predicted("champion", [0, 1, 1], [0.1, 0.9, 0.8], explained=1)
            recorder.logged("predictions", 3)
            recorder.log("predictions", lag_seconds=0, size=number)
            if number % 100 == 0:
                recorder.render()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    # Then every count is there
    assert value(recorder, "requests_total", route="/predict", method="POST", status="200") == 4000
    assert value(recorder, "predictions_total", arm="champion", **{"class": "1"}) == 8000
    assert value(recorder, "prediction_score_count", arm="champion") == 12000
    assert value(recorder, "explained_total", arm="champion") == 4000
    assert value(recorder, "log_rows_total", store="predictions") == 12000


def test_two_recorders_share_nothing() -> None:
    # Given two recorders, when one counts
    from prometheus_client import REGISTRY

    one, other = MetricsRecorder(), MetricsRecorder()
    one.refused("too-many-requests")
    # Then the other does not, and the registry of the process does not know them
    assert value(other, "refused_total", kind="too-many-requests") == 0
    assert not [family for family in REGISTRY.collect() if family.name.startswith(names.PREFIX)]


def test_the_last_window_is_shown_as_the_policy_judged_it() -> None:
    # Given a champion with two windows, the last at retrain, one of whose rules was not measured
    limits = policies.of_template("high").monitoring
    values = {
        "drift.data[income]": 0.3,
        "drift.data[age]": 0.1,
        "drift.prediction": 0.02,
        "performance.roc_auc": 0.71,
        "fairness.demographic_parity[sex]": 0.04,
        "fairness.demographic_parity[sex*region]": 0.06,
        "fairness.equalized_odds[sex]": 0.4,
        "drift.target": None,
        "rule.that_is_gone": 5.0,
    }
    said = {"values": values, "level": "retrain", "unknown": ["fairness.equalized_odds[sex]"]}
    # When its values are shown, then features are one value, the worst, and groups are apart
    recorder = MetricsRecorder()
    recorder.follow(life({"rows": 1}, said), limits)
    shown = {
        tuple(value for _, value in labels): number
        for (name, labels), number in series(recorder.render()[0]).items()
        if name.endswith("window_value")
    }
    assert shown == {
        ("", "drift", "drift.data"): 0.3,
        ("", "drift", "drift.prediction"): 0.02,
        ("", "performance", "performance.roc_auc"): 0.71,
        ("sex", "fairness", "fairness.demographic_parity"): 0.04,
        ("sex*region", "fairness", "fairness.demographic_parity"): 0.06,
    }
    # And the level is 1 for one level and 0 for the others
    levels = {one: value(recorder, "window_level", level=one) for one in ("healthy", "retrain")}
    assert levels == {"healthy": 0, "retrain": 1}
    assert value(recorder, "window_rows") == 900


def test_the_worst_value_of_a_least_is_the_smallest() -> None:
    # Given a rule with a lower limit that is repeated for classes
    limits = policies.of_template("high").monitoring
    assert limits is not None
    rule = limits.rules[0].model_validate(
        {"id": "performance.recall", "metric": "performance.{each}.recall", "each": "class",
         "bound": "at_least", "warn": 0.5, "owner": "x"}
    )  # fmt: skip
    said = {"values": {"performance.recall[car]": 0.9, "performance.recall[bus]": 0.6}}
    # When a window's values are shown, then the smaller one is
    found = last_window(champion(said), limits.model_copy(update={"rules": [rule]}))
    assert found.values == {("performance", "performance.recall", ""): 0.6}


def test_the_age_counts_from_the_last_measured_window_or_from_the_promotion() -> None:
    # Given a champion without a window, with one that was not measured, and with one that was
    limits = policies.of_template("high").monitoring
    unmeasured = {"level": "not_measured"}
    ages = [
        (last_window(champion(*windows), limits).monitored_at - PROMOTED.timestamp()) / 86400
        for windows in ((), (unmeasured,), ({}, unmeasured))
    ]
    # When the age is asked for, then only the measured one counts
    assert ages == [0, 0, 10]
    # And a champion without a window has neither level nor rows
    recorder = MetricsRecorder()
    recorder.follow(life(), limits)
    assert value(recorder, "window_level", level="healthy") is None
    assert value(recorder, "window_rows") is None
    # And without a champion nothing is shown
    recorder.follow(Lifecycle(), limits)
    assert value(recorder, "monitored_timestamp_seconds") is None


def test_the_last_event_of_each_action_is_shown() -> None:
    # Given a ledger with a promotion and two windows, when the recorder follows it
    recorder = MetricsRecorder()
    recorder.follow(life({}, {}), policies.of_template("high").monitoring)
    # Then the time of the last one of each is shown
    shown = {one: value(recorder, "ledger_event_timestamp_seconds", action=one)
             for one in ("promoted", "monitored", "rolled_back")}  # fmt: skip
    start = PROMOTED.timestamp()
    assert shown == {"promoted": start, "monitored": start + 11 * 86400, "rolled_back": None}


def refusals(text: str) -> list[tuple[Any, Any]]:
    """Status and kind of the problem documents that a module makes, where they are constants."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    found = [call for call in calls if len(call.args) > 1 and refuses(call)]
    return [(getattr(one.args[0], "value", None), getattr(one.args[1], "value", None))
            for one in found]  # fmt: skip


def refuses(call: ast.Call) -> bool:
    """Whether a call makes a problem document: its first argument is the status of an error."""
    status = getattr(call.args[0], "value", None)
    error = isinstance(status, int) and 400 <= status < 600
    return error or getattr(call.func, "id", "") == "RequestRefused"


def test_every_status_and_kind_of_a_problem_document_is_in_the_list() -> None:
    # Given the statuses and kinds that the code names, when they are held against the lists
    texts = [path.read_text(encoding="utf-8") for path in (ENGINE / "serving").rglob("*.py")
             if path.parent.name != "metrics"]  # fmt: skip
    found = [one for text in texts for one in refusals(text)]
    kinds = {kind for _, kind in found if isinstance(kind, str)}
    # Then none is counted as `other`
    assert kinds > {"malformed-json", "not-found"}
    assert kinds <= set(names.KINDS)
    assert {str(status) for status, _ in found if status is not None} <= set(names.STATUSES)
    # And the list has none that no code names
    assert [one for one in names.KINDS if f'"{one}"' not in "".join(texts)] == []
    # And another name would be found
    assert refusals(
        'RequestRefused(status, "new-kind", "why")\nself._refuse(418, "other", "x")'
    ) == [
        (None, "new-kind"),
        (418, "other"),
    ]

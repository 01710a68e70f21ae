"""Levels of a window, how many in a row, who watches: against plain words. No project is made."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chi2

from governed_ml.core import config, evidence_bodies, tables
from governed_ml.core.evidence import Metric
from governed_ml.core.problem import Problem
from governed_ml.ledger import lifecycle, liveness
from governed_ml.measures import binning, fairness
from governed_ml.monitoring import earlier_windows, history, judge_window, reference
from governed_ml.monitoring import monitor as monitored
from governed_ml.pipeline.stages import drift as line
from governed_ml.policy import expected_rules, weaker_policy

LIMITS = {
    "minimum_rows": 300,
    "maximum_age_days": 45,
    "liveness_days": 30,
    "rollback_windows": 3,
    "retrain_every_days": 14,
}
PARITY = {
    "id": "fairness.parity",
    "metric": "fairness.{each}.demographic_parity_difference",
    "each": "sensitive",
    "warn": 0.1,
    "retrain": 0.2,
    "rollback": 0.3,
    "minimum_n": 30,
    "owner": "x",
}


def watched(*more: dict[str, Any], **limits: Any) -> Any:
    """A policy's section, with one rule or those that are given."""
    return config.Monitoring(**(LIMITS | {"rules": list(more) or [PARITY]} | limits))


@pytest.mark.parametrize(
    ("metric", "level", "said"),
    [
        ({"value": 0.05, "n": 99}, "healthy", "0.05"),
        ({"value": 0.15, "n": 99}, "warn", "at most 0.1 for warn"),
        ({"value": 0.25, "n": 99}, "retrain", "at most 0.2 for retrain"),
        ({"value": 0.35, "n": 99}, "rollback", "at most 0.3 for rollback"),
        ({"value": 0.3, "n": 99}, "retrain", "at most 0.2"),  # a limit itself is not beyond it
        # the nearer bound has to be beyond: chance alarms nobody, and is not healthy
        ({"value": 0.5, "lower": 0.05, "upper": 0.9, "n": 99}, "not_measured", "more rows wanted"),
        ({"value": 0.05, "lower": 0.0, "upper": 0.9, "n": 99}, "healthy", "in [0, 0.9]"),
        ({"value": 0.5, "lower": 0.15, "upper": 0.9, "n": 99}, "warn", "in [0.15, 0.9]"),
        ({"value": 0.5, "lower": 0.25, "upper": 0.9, "n": 99}, "retrain", "in [0.25, 0.9]"),
        ({"value": 0.5, "lower": 0.35, "upper": 0.9, "n": 99}, "rollback", "in [0.35, 0.9]"),
        ({"value": None, "n": 99, "note": "one group only"}, "not_measured", "one group only"),
        ({"value": 0.9, "n": 29}, "not_measured", "rests on 29 rows, at least 30 wanted"),
        ({"value": 0.9}, "not_measured", "rests on 0 rows"),
    ],
)
def test_a_metric_gets_the_level_of_the_limit_it_exceeds(
    metric: dict[str, Any], level: str, said: str
) -> None:
    # Given a metric, when it is held against a rule, then it has its level, with the reason
    found, reason = judge_window.judged(config.MonitoringRule(**PARITY), Metric(**metric))
    assert (found, said in reason) == (level, True), reason


@pytest.mark.parametrize(
    ("value", "level"), [(0.8, "healthy"), (0.69, "warn"), (0.64, "retrain"), (0.5, "rollback")]
)
def test_at_least_limits_are_judged(value: float, level: str) -> None:
    rule = {"id": "a.b", "metric": "a.b", "bound": "at_least", "owner": "x"}
    rule |= {"warn": 0.7, "retrain": 0.65, "rollback": 0.6}
    assert judge_window.judged(config.MonitoringRule(**rule), Metric(value=value))[0] == level


def test_trap_41_schema_alone_is_no_measurement() -> None:
    # Given rules about schema and drift, when drift could not be measured
    new = {"id": "schema.new", "metric": "schema.new_columns", "warn": 0, "owner": "x"}
    drift = {"id": "drift.data", "each": "feature", "metric": "drift.{each}.psi", "warn": 0.1}
    section = watched(new, drift | {"owner": "x", "minimum_n": 300})
    scope = expected_rules.Scope("classification", ("a", "b"), ())
    metrics = {"schema.new_columns": Metric(value=0.0), "drift.a.psi": Metric(value=0.0, n=299)}
    found, anything = judge_window.judge(section, scope, metrics)
    # Then nothing of the model was, whatever the schema says; and every rule is named
    assert not anything
    assert [one.id for one in found] == ["schema.new", "drift.data[a]", "drift.data[b]"]
    assert "rests on 299 rows" in " ".join(judge_window.reasons(found))
    metrics["drift.b.psi"] = Metric(value=0.0, n=300)
    assert judge_window.judge(section, scope, metrics)[1]


def test_a_rule_about_numbers_is_repeated_for_numeric_features_only() -> None:
    # Given a window's rule about a distance that only numbers have
    drift = {"id": "drift.shift", "each": "numeric", "metric": "drift.{each}.ks_statistic"}
    section = watched(drift | {"owner": "x", "warn": 0.1, "retrain": 0.3, "minimum_n": 300})
    scope = expected_rules.Scope("classification", ("a", "b", "city"), (), ("a", "b"))
    far = Metric(value=0.5, lower=0.4, upper=0.6, n=900)
    near = Metric(value=0.12, lower=0.02, upper=0.22, n=900)
    metrics = {"drift.a.ks_statistic": far, "drift.b.ks_statistic": near}
    # When it is judged, then no category is, and an excess that chance explains raises no alarm
    found, anything = judge_window.judge(section, scope, metrics)
    assert [(one.id, one.verdict) for one in found] == [
        ("drift.shift[a]", "retrain"),
        ("drift.shift[b]", "not_measured"),
    ]
    assert anything
    assert "chance" in found[1].reason


def said(number: int, level: str, **more: Any) -> dict[str, Any]:
    """The details of a window's event."""
    values = {"window": number, "batch": "b", "digest": f"sha256:{number}", "rows": 1, "to": None}
    values |= {"labelled": 0, "from": None, "level": level, "reasons": [], "values": {}}
    return values | {"risk": None} | more


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["healthy", "warn", "retrain", "rollback", "not_measured"])))
def test_a_sequence_counts_only_measured_windows(found: list[str]) -> None:
    # Given windows, when those in a row at the last level are counted
    windows = judge_window.windows_of([said(n, level) for n, level in enumerate(found, start=1)])
    due, row = judge_window.due(windows, watched())
    # Then it is the length of the last run among those that were measured, by hand
    measured = [level for level in found if level != "not_measured"]
    runs = [(level, len(list(some))) for level, some in groupby(measured)]
    assert row == (runs[-1][1] if runs and runs[-1][0] == "rollback" else 0)
    # And a rollback is due from the third on, never for a window that was not measured
    last = found[-1] if found else "not_measured"
    assert (due == "rollback") == (last == "rollback" and row >= 3)
    if last in ("healthy", "not_measured"):
        assert due == "none"
    elif due != "rollback":
        assert due == {"rollback": "retrain"}.get(last, last)


def test_a_window_measured_again_is_judged_in_its_latest_form() -> None:
    # Given a window that was healthy until its labels came
    told = [said(1, "healthy"), said(2, "rollback"), said(1, "rollback", labelled=90)]
    # Then it counts once, at its own place
    found = judge_window.windows_of(told)
    assert [(one.window, one.level, one.labelled) for one in found] == [
        (1, "rollback", 90),
        (2, "rollback", 0),
    ]
    assert judge_window.in_a_row(found) == 2


def rule(value: float | None, level: str = "healthy", **more: Any) -> dict[str, Any]:
    """A rule of a window, as it was judged."""
    fixed = {"id": "a.b", "verdict": level, "value": value, "limits": {"warn": 0.1}, "reason": ""}
    return fixed | more


def look(*rules: dict[str, Any], level: str = "healthy", labelled: int = 0) -> Any:
    """What a look at a batch measured."""
    return SimpleNamespace(
        level=level,
        labelled=labelled,
        rules=[judge_window.Judged.model_validate(one) for one in rules],
    )


@pytest.mark.parametrize(
    ("now", "more"),
    [
        (look(rule(0.5)), False),  # the same again
        (look(rule(0.5), labelled=9), True),
        (look(rule(0.5 + 1e-12)), False),  # another machine's last digit
        (look(rule(0.6)), True),  # labels in their right spelling, say
        (look(rule(0.5), level="rollback"), True),
        (look(rule(0.5), level="not_measured"), False),
        (look(rule(None), labelled=9), False),  # a feed is gone: it knows less
        (look(rule(0.5), rule(0.2, id="c.d")), True),  # what could not be joined is there
    ],
)
def test_a_second_measurement_is_recorded_only_if_it_adds_information(
    now: Any, *, more: bool
) -> None:
    # Given a window as recorded, when its batch is measured again, then it is recorded or not
    values = {"a.b": 0.5, "c.d": None, "gone.rule": 1.0}
    [known] = judge_window.windows_of([said(1, "healthy", values=values)])
    assert earlier_windows.tells_more(now, known) is more
    # And what was not measured before is told as soon as it is
    unknown = known.model_copy(update={"level": "not_measured"})
    assert earlier_windows.tells_more(now, unknown) is (now.level != "not_measured")


def test_the_risk_of_a_window_is_the_policys_formula() -> None:
    # Given rules of a window, when their risk is asked for
    policy = SimpleNamespace(risk=SimpleNamespace(weights={"validate": 1.0, "fairness": 1.0}))

    def risk(**one: Any) -> float:
        return monitored.risk_of([judge_window.Judged.model_validate(rule(**one))], policy)

    broken = {"id": "contract.failed", "limits": {"warn": 0.0}}
    parity = {"id": "fairness.parity", "limits": {"warn": 0.1, "rollback": 0.2}}
    # Then a limit that is passed has been reached, whichever side of zero it is on
    assert risk(value=3.0, level="warn", **broken) == 100
    assert risk(value=0.0, **broken) == 0
    # And the worst bound counts, as it does before production
    assert risk(value=0.05, interval=(0.0, 0.1), **parity) == 50
    assert risk(value=0.19, interval=(0.15, 0.3), level="warn", **parity) == 100
    # And a number that may not be small is near its limit when it is small
    assert risk(value=0.61, bound="at_least", id="fairness.a", limits={"rollback": 0.6}) > 90
    # And what was not measured counts for nothing
    assert risk(value=None, level="not_measured", **parity) is None


def test_a_window_with_an_unmeasured_rule_does_not_interrupt_a_sequence() -> None:
    # Given two windows that ask for a rollback by a rule that needs labels
    bad = [said(n, "rollback", asking=["performance.roc_auc"]) for n in (1, 2, 4)]
    late = said(3, "healthy", unknown=["performance.roc_auc"])
    # When labels of the next are late, then it counts for nothing, and the one after is the third
    assert judge_window.due(judge_window.windows_of([*bad[:2], late]), watched()) == ("none", 2)
    assert judge_window.due(judge_window.windows_of([*bad, late]), watched()) == ("rollback", 3)
    # And one in which the rule was measured, and is well, breaks the row
    well = said(3, "healthy", unknown=["drift.target"])
    assert judge_window.due(judge_window.windows_of([*bad, well]), watched()) == ("retrain", 1)


def test_a_growing_feed_counts_once_in_a_sequence() -> None:
    # Given a folder that grows by a day, each day a window, all of them at the last level
    def days(first: int, last: int) -> dict[str, str]:
        return {"from": f"2026-05-{first:02}T00:00:00Z", "to": f"2026-05-{last:02}T23:00:00Z"}

    grown = [said(n, "rollback", rows=900 * n, **days(1, n)) for n in (1, 2, 3)]
    # When those in a row are counted, then they are one, and nothing is taken back
    assert judge_window.in_a_row(judge_window.windows_of(grown)) == 1
    assert judge_window.due(judge_window.windows_of(grown), watched()) == ("retrain", 1)
    # And other rows of the same day, or a day of its own, are a window each
    others = [said(n, "rollback", rows=900, **days(1, 1)) for n in (1, 2, 3)]
    assert judge_window.due(judge_window.windows_of(others), watched()) == ("rollback", 3)
    apart = [said(n, "rollback", rows=900 + n, **days(n, n)) for n in (1, 2, 3)]
    assert judge_window.due(judge_window.windows_of(apart), watched()) == ("rollback", 3)
    named = [said(n, "rollback", rows=900 + n, batch=f"{n}.csv", **days(1, 1)) for n in (1, 2, 3)]
    assert judge_window.due(judge_window.windows_of(named), watched()) == ("rollback", 3)


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (
            {"warn": None, "retrain": None, "rollback": None},
            "set at least one of warn, retrain and rollback",
        ),
        (
            {"warn": 0.3, "retrain": 0.2},
            "the limits must be reached in the order warn, retrain, rollback",
        ),
        ({"bound": "at_least"}, "the limits must be reached in the order warn, retrain, rollback"),
        ({"each": None}, "each needs {each} in metric, and vice versa"),
        ({"block": 0.1}, "Extra inputs are not permitted"),
        ({"minimum_n": 0}, "greater than or equal to 1"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(wrong: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause.replace("{", r"\{")):
        watched(PARITY | wrong)
    with pytest.raises(ValidationError, match="is listed twice"):
        watched(PARITY, PARITY)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"minimum_rows": 299}, "monitoring.minimum_rows"),
        ({"maximum_age_days": 46}, "monitoring.maximum_age_days"),
        ({"liveness_days": 31}, "monitoring.liveness_days"),
        ({"rollback_windows": 4}, "monitoring.rollback_windows"),
        ({"retrain_every_days": 15}, "monitoring.retrain_every_days"),
        ({"rules": [PARITY | {"warn": 0.11}]}, "monitoring.fairness.parity"),
        ({"rules": [PARITY | {"retrain": None}]}, "monitoring.fairness.parity"),
        ({"rules": [PARITY | {"rollback": 0.4}]}, "monitoring.fairness.parity"),
        ({"rules": [PARITY | {"minimum_n": 31}]}, "monitoring.fairness.parity"),
        ({"rules": [PARITY | {"id": "fairness.other"}]}, "monitoring.fairness.parity"),
        (None, "monitoring"),
        ({"minimum_rows": 301, "rollback_windows": 2}, ""),
        ({"rules": [PARITY | {"warn": 0.05, "rollback": 0.25}]}, ""),
    ],
)
def test_an_organisations_floor_sees_what_watches_less(
    change: dict[str, Any] | None, where: str
) -> None:
    # Given a floor with a section monitoring, when a policy is held against it
    own = None if change is None else watched(**change)
    rule = {"id": "a.b", "metric": "a.b", "block": 1.0, "owner": "x"}
    floor = config.Floor(file="floor.yaml", sha256="0" * 64, monitoring=watched())
    policy = config.Policy(name="p", confidence=0.95, rules=[rule], monitoring=own, floor=floor)
    # Then what watches less undercuts it, what watches more does not
    assert list(weaker_policy.below_floor(policy)) == ([where] if where else [])


def test_drift_against_the_frozen_bins_is_the_lines_own(tmp_path: Any) -> None:
    # Given two tables with every kind of column, and what the pipeline froze of the first
    chance = np.random.default_rng(3)

    def draw(rows: int, shift: float) -> pd.DataFrame:
        number = chance.normal(shift, 1, rows)
        number[: rows // 20] = np.nan
        return pd.DataFrame(
            {
                "number": number,
                "code": chance.integers(0, 4, rows),
                "flat": 1.0,
                "city": chance.choice(["Rome", "Oslo", None, "x" * 80], rows),
            }
        )

    before, now = tmp_path / "before.parquet", tmp_path / "now.parquet"
    tables.write(draw(3000, 0.0), before)
    tables.write(draw(900, 0.7).assign(flat=2.0), now)
    numeric = ["number", "code", "flat"]
    found = binning.binned(tables.table(before), tables.table(now), numeric, ["city"])
    frozen = line.body_of(found | {"target": found["code"]})
    frozen = frozen.model_copy(
        update={"columns": [one for one in frozen.columns if one.name != "target"]}
    )
    # When the second is counted in these, without a row of the first
    columns, metrics = reference.against(frozen, dict.fromkeys(found, tables.table(now)))
    # Then shares and distances are the same
    for mine, theirs in zip(columns, frozen.columns, strict=True):
        assert mine.bins == theirs.bins
        assert mine.current == pytest.approx(theirs.current)
        index = theirs.population_stability_index
        assert mine.population_stability_index == pytest.approx(index)
        # And of PSI what chance does not explain is judged: 99 % of χ² by the rows of both sides
        bins = sum(r + c > 0 for r, c in zip(mine.reference, mine.current, strict=True))
        chance_alone = chi2.ppf(0.99, max(1, bins - 1)) * (1 / 3000 + 1 / 900)
        left = metrics[f"{mine.name}.{reference.EXCESS}"]
        assert left.value == pytest.approx(max(0, index - chance_alone))
        assert left.n == 900
    assert metrics[f"flat.{reference.EXCESS}"].value > 5


def test_a_category_that_may_have_been_a_rare_one_is_taken_for_one(tmp_path: Any) -> None:
    # Given a column of 200 categories, of which the pipeline shows fifty
    before, now = tmp_path / "before.parquet", tmp_path / "now.parquet"
    tables.write(pd.DataFrame({"city": [f"town {n % 200}" for n in range(8000)]}), before)
    tables.write(pd.DataFrame({"city": [f"town {n % 200}" for n in range(4000)]}), now)
    found = binning.binned(tables.table(before), tables.table(now), [], ["city"])
    frozen = evidence_bodies.DriftBody(
        reference_rows=8000,
        current_rows=4000,
        share_floor=1e-4,
        columns=[line._column("city", found["city"])],
    )
    # When the same towns come again, then nothing has drifted
    _, metrics = reference.against(frozen, {"city": tables.table(now)})
    assert metrics[f"city.{reference.EXCESS}"].value == pytest.approx(0, abs=1e-12)
    # And a column that nobody froze is no column of drift 0
    with pytest.raises(Problem, match="no column 'town'"):
        reference.against(frozen, {"town": tables.table(now)})


DAY = date(2026, 6, 30)


def entry(action: str, days: int, version: int = 1, **details: Any) -> Any:
    """An entry of the ledger, so many days before `DAY`."""
    moment = SimpleNamespace(date=lambda: DAY - timedelta(days=days))
    event = SimpleNamespace(
        action=action, version=version, details=details, moment=moment, sequence=1, subject={}
    )
    return SimpleNamespace(event=event, commit="", signed=False)


CHAMPION = [entry("registered", 100), entry("approved", 99)]


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([("promoted", 30, {})], ""),
        ([("promoted", 31, {})], "it was promoted 31 days ago and has not been measured since"),
        ([("promoted", 90, {}), ("monitored", 30, {"level": "rollback"})], ""),
        ([("promoted", 90, {}), ("monitored", 31, {"level": "healthy"})], "window was 31 days ago"),
        # a window that was not measured is none, and does not hide the last one that was
        (
            [("promoted", 90, {}), ("monitored", 1, {"level": "not_measured"})],
            "promoted 90 days ago and has not been measured since",
        ),
        (
            [
                ("promoted", 90, {}),
                ("monitored", 20, {"level": "healthy"}),
                ("monitored", 1, {"level": "not_measured"}),
            ],
            "",
        ),
        (  # labels that came for an old window are no new look
            [
                ("promoted", 90, {}),
                ("monitored", 40, {"level": "healthy", "window": 1}),
                ("monitored", 1, {"level": "warn", "window": 1}),
            ],
            "its last measured window was 40 days ago, and the policy allows 30",
        ),
    ],
)
def test_trap_22_an_unmonitored_champion_is_found_from_the_ledger(
    events: list[tuple[str, int, dict[str, Any]]], cause: str
) -> None:
    # Given a champion and its windows, when a promotion asks whether it is watched
    entries = [entry(name, days, **details) for name, days, details in events]
    life = lifecycle.trace([*CHAMPION, *entries])
    rule = {"id": "a.b", "metric": "a.b", "block": 1.0, "owner": "x"}
    policy = config.Policy(name="p", confidence=0.95, rules=[rule], monitoring=watched())
    found = liveness.unwatched(life, policy, DAY)
    # Then it is, or the reason says since when not, and what to run
    assert bool(found) == bool(cause)
    assert cause in (found or "")
    assert not cause or "run `uv run governance monitor BATCH`" in str(found)
    # And without the section nobody can say
    bare = policy.model_copy(update={"monitoring": None})
    assert "has no section monitoring" in (liveness.unwatched(life, bare, DAY) or "")
    assert liveness.unwatched(lifecycle.trace(CHAMPION), bare, DAY) is None


def test_a_version_that_is_no_champion_has_no_windows() -> None:
    # Given a window of a version that nobody promoted, when it is followed, then it is void
    life = lifecycle.trace([*CHAMPION, entry("monitored", 1, level="healthy")])
    assert [one.why for one in life.void] == [
        "it is illegal: version 1 is approved: only a version that is champion can be monitored"
    ]


def test_a_champions_windows_begin_with_its_last_promotion() -> None:
    # Given a version that was champion twice, when its windows are asked for
    other = [entry("registered", 80, 2), entry("approved", 79, 2), entry("promoted", 78, 2)]
    told = [entry("promoted", 90), entry("monitored", 85, level="rollback"), *other]
    told += [entry("rolled_back", 50), entry("monitored", 49, level="rollback")]
    life = lifecycle.trace([*CHAMPION, *told])
    first, windows = liveness.reign(life.champion)
    # Then they are those since it came back
    assert first.event.action == "rolled_back"
    assert len(windows) == 1


def test_trends_are_a_picture_without_markup_of_others() -> None:
    # Given windows with a rule whose column has an awkward name
    values = [{"drift.data[<b>&]": n / 10, "performance.r2": None} for n in range(4)]
    windows = judge_window.windows_of(
        [said(n + 1, "warn", values=one) for n, one in enumerate(values)]
    )
    # When they are drawn, then the picture is well-formed and shows each
    import xml.etree.ElementTree as ElementTree

    text = history.picture(windows)
    found = ElementTree.fromstring(text)  # noqa: S314 - our own
    assert len(found.findall("{*}circle")) == 4
    assert len(found.findall("{*}polyline")) == 1
    assert "<b>" not in text
    assert ElementTree.fromstring(history.picture([])) is not None  # noqa: S314 - our own


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 60), min_size=4, max_size=4), min_size=2, max_size=5))
def test_quick_values_of_fairness_are_fairlearns(cells: list[list[int]]) -> None:
    # Given counts (group, label, prediction), when values are asked for in both ways
    counts = np.array(cells, dtype=np.int64).reshape(-1, 2, 2)
    quick, right = fairness.plain_points(counts), fairness.fairlearn_points(counts)
    # Then they are the same
    for kind in ("difference", "ratio"):
        assert quick[kind] == pytest.approx(right[kind])

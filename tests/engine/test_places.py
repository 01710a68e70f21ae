"""What is listed in more than one place is complete in each: a stage, a level of monitoring."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

import pytest

from governed_ml.checks.run import CHECKS, MODULES
from governed_ml.cli.production import monitor
from governed_ml.core import config
from governed_ml.core.code import stage_code
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.ledger.production.windows import Level
from governed_ml.monitoring import history, judge_window
from governed_ml.monitoring.actions import issue
from governed_ml.policy import gate
from governed_ml.policy.weaker_policy import weaker_rule
from governed_ml.registry.remeasure import recompute

LEVELS = get_args(Level)
ACTIONS = [level for level in LEVELS if level not in ("healthy", "not_measured")]


def test_a_stage_with_evidence_is_measured_again_and_names_its_tables() -> None:
    # Given the stages, when those are left out that write no evidence
    writing = set(stage_code.runnable()) - {"compose", "document", "decide"}
    # Then gates know the tables of each, and register and CI measure each again
    assert writing == BODY_OF_GATE.keys() == gate.TABLES_OF_GATE.keys()
    assert {"ingest", *recompute.STAGES_AFTER_INGEST} == writing | {"document"}


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_names_a_module_that_has_it(name: str) -> None:
    # Given a check's name, when its module is imported, then it has the function
    assert callable(import_module(MODULES[name]).check)


def test_a_level_of_monitoring_is_known_wherever_it_is_shown() -> None:
    assert {*judge_window.WORSE, "not_measured"} == set(LEVELS)
    assert issue.SIGNS.keys() == history.COLOURS.keys() == set(LEVELS)
    assert monitor.COLOURS.keys() == {*judge_window.WORSE}


@pytest.mark.parametrize("level", ACTIONS)
def test_the_floor_holds_the_limit_of_every_level(level: str) -> None:
    # Given a limit of an organisation's floor, when a project has none, then it is weaker
    rule = {"id": "a.b", "metric": "a.b", "owner": "o"}
    other = next(one for one in ACTIONS if one != level)
    least = config.MonitoringRule.model_validate(rule | {level: 0.1})
    assert weaker_rule(config.MonitoringRule.model_validate(rule | {other: 0.1}), least)
    assert not weaker_rule(least, least)

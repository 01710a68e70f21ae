"""The alert rules: each fires for its fault and for nothing else, with the limits of the policy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from baked import BakedProject
from promql_uses import missing, uses
from promtool import needs_promtool, promtool
from scraped import busy, series

from governed_ml.cli.alerts import alerts as command
from governed_ml.core.config import composition
from governed_ml.core.config.params import Params
from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.core.config.production.serve import AlertLimits, Serve
from governed_ml.serving.metrics import names, promql, written_files
from governed_ml.serving.metrics.alerts import rule_files
from governed_ml.serving.metrics.alerts.alert import Alert

JOB = 'a "job"'
EXPLAINED: dict[str, ServedExplanations | None] = {
    "none": None,
    "on request": ServedExplanations(serve="on_request"),
    "all": ServedExplanations(serve="all"),
    "sampled": ServedExplanations(serve="sampled", share=0.2),
}


def configured(project: BakedProject, tier: str = "high", explained: str = "all") -> Params:
    """The configuration of a generated project."""
    params = composition.compose(project.path / "conf", [f"policy={tier}"])
    policy = params.policy.model_copy(update={"explain": EXPLAINED[explained]})
    return params.model_copy(update={"policy": policy})


def every(params: Params) -> list[Alert]:
    """All alerts."""
    return [one for group in rule_files.groups(params, JOB) for one in group.alerts]


def written(params: Params, folder: Path) -> Path:
    """Write all files, as the command does."""
    written_files.write(params, JOB, written_files.Addresses("127.0.0.1:8000"), folder)
    return folder


@pytest.mark.parametrize("tier", ["minimal", "limited", "high"])
def test_what_a_rule_asks_for_is_in_a_scrape(project: BakedProject, tier: str) -> None:
    # Given a scrape of a service that has done a bit of everything, and the alerts of a tier
    params = configured(project, tier)
    live = series(busy(params.policy).render()[0])
    # When each expression is held against the scrape
    lost = {one.name: missing(one.expr, live) for one in every(params)}
    # Then each name, label and value is there
    assert len(lost) > 15
    assert not {name: found for name, found in lost.items() if found}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("governed_ml_requests_total", "http_requests_total", "no series http_requests_total"),
        ("status", "code", "has no label code"),
        ('"5..', '"6..', "has no status 6.."),
        ("by (job)", "by (job, model_version)", "has no label model_version"),
        ("/predict|", "/score|/ground", "has no route"),
    ],
)
def test_a_name_label_or_value_that_is_not_there_is_found(
    project: BakedProject, before: str, after: str, said: str
) -> None:
    # Given a rule in which something is named otherwise than in the scrape
    params = configured(project)
    live = series(busy(params.policy).render()[0])
    rule = next(one for one in every(params) if one.name == "RequestsFail")
    changed = rule.expr.replace(before, after).replace("ground-truth", "truth")
    assert changed != rule.expr
    # When it is held against the scrape, then that is said
    assert any(said in one for one in missing(changed, live))


def test_a_renamed_family_makes_the_comparison_red(project: BakedProject) -> None:
    # Given a scrape without one of the series that rules ask for
    params = configured(project)
    live = series(busy(params.policy).render()[0])
    wanted = {use.name for one in every(params) for use in uses(one.expr)} - {"up"}
    assert len(wanted) > 10
    for name in wanted:
        rest = {key: value for key, value in live.items() if key[0] != name}
        # When the rules are held against it, then the name is missed
        lost = [said for one in every(params) for said in missing(one.expr, rest)]
        assert f"no series {name}" in lost


def test_a_selector_cannot_name_what_its_family_lacks() -> None:
    # Given a family, when a label or a part is asked for that it does not have
    with pytest.raises(ValueError, match="has no label model"):
        promql.chosen(names.READY, 'job="x"', {"model": "1"})
    with pytest.raises(ValueError, match="has no series governed_ml_ready_bucket"):
        promql.chosen(names.READY, 'job="x"', part="_bucket")


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize(
    ("tier", "explained"),
    [("minimal", "none"), ("limited", "on request"), ("high", "all"), ("high", "sampled")],
)
def test_each_alert_fires_for_its_fault_and_is_silent_otherwise(
    project: BakedProject, tmp_path: Path, tier: str, explained: str
) -> None:
    # Given the files of a tier, when promtool checks the rules and runs their tests
    params = configured(project, tier, explained)
    folder = written(params, tmp_path)
    checked = promtool(folder, "check", "rules", "--lint-fatal", rule_files.RULES)
    tested = promtool(folder, "test", "rules", rule_files.TESTS)
    # Then both succeed
    assert checked[0] == 0, checked[1]
    assert tested[0] == 0, tested[1]
    # And there is an example for each rule, and one in which all is well and all are silent
    content = yaml.safe_load((folder / rule_files.TESTS).read_text(encoding="utf-8"))
    faulty = [one for one in content["tests"] if one["alert_rule_test"][0]["exp_alerts"]]
    (calm,) = [one for one in content["tests"] if one not in faulty]
    assert len(faulty) == len(every(params))
    silent = {one["alertname"] for one in calm["alert_rule_test"]}
    assert silent == {one.name for one in every(params)}


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("governed_ml_requests_total", "http_requests_total", "RequestsFail"),
        ("> 0.01", "> 0.9", "RequestsFail"),
        ("> 0.01", ">= 0", "RequestsFail"),
    ],
)
def test_a_rule_that_never_or_always_fires_fails_its_test(
    project: BakedProject, tmp_path: Path, before: str, after: str, said: str
) -> None:
    # Given rules with a name that no series has, or a limit that is never or always exceeded
    folder = written(configured(project), tmp_path)
    rules = folder / rule_files.RULES
    rules.write_text(rules.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    # When promtool runs the tests, then that of the alert fails
    code, text = promtool(folder, "test", "rules", rule_files.TESTS)
    assert code == 1
    assert f"alertname: {said}," in re.sub(r"\s+", " ", text)


@needs_promtool
def test_the_sample_of_prometheus_is_a_valid_configuration(
    project: BakedProject, tmp_path: Path
) -> None:
    # Given a service that asks for tokens of an issuer, when the files are written
    params = configured(project)
    issuer = {"issuer": "https://login.example.org/", "audience": "model"}
    serve = Serve.model_validate(params.serve.model_dump() | {"authentication": issuer})
    folder = written(params.model_copy(update={"serve": serve}), tmp_path)
    # Then promtool accepts the sample, which asks for a token with the scope of /metrics
    code, text = promtool(folder, "check", "config", "--syntax-only", written_files.PROMETHEUS)
    assert code == 0, text
    sample = yaml.safe_load((folder / written_files.PROMETHEUS).read_text(encoding="utf-8"))
    access = sample["scrape_configs"][0]["oauth2"]
    assert access["scopes"] == ["model:read"]
    assert access["token_url"] == "https://login.example.org/token"  # noqa: S105


def test_the_limits_are_those_of_policy_and_settings(project: BakedProject) -> None:
    # Given settings and a policy with numbers of their own
    params = configured(project)
    limits = AlertLimits(minutes=7, error_share=0.123, latency_p95_seconds=0.321)
    serve = params.serve.model_copy(update={"alerts": limits, "offline_seconds": 4242})
    monitoring = params.policy.monitoring
    assert monitoring is not None
    rules = [
        one.model_copy(update={"warn": 0.0789}) if one.id == "drift.data" else one
        for one in monitoring.rules
    ]
    terms = monitoring.model_copy(update={"rules": rules, "liveness_days": 19})
    policy = params.policy.model_copy(update={"monitoring": terms})
    # When the rules are written
    changed = params.model_copy(update={"serve": serve, "policy": policy})
    found: dict[tuple[str, str], Any] = {(one.name, one.rule_id): one for one in every(changed)}
    # Then they have these numbers
    assert found["RequestsFail", ""].expr.endswith("> 0.123")
    assert found["PredictionsSlow", ""].expr.endswith("> 0.321")
    assert found["PredictionsSlow", ""].rule()["for"] == "7m"
    assert found["LedgerUnread", ""].expr.endswith("> 2121")
    assert found["WindowTooOld", ""].expr.endswith("> 19")
    assert found["WindowDrift", "drift.data"].expr.endswith("> 0.0789")
    # And a rule about the values of a group says who owns it
    assert found["WindowFairness", "fairness.demographic_parity"].owner == "risk-owner"


def test_a_lower_limit_alerts_about_smaller_values(project: BakedProject) -> None:
    # Given the policy's rule that ROC AUC is at least 0.75, when its alert is written
    (found,) = [one for one in every(configured(project)) if one.name == "WindowPerformance"
                and one.rule_id == "performance.roc_auc"]  # fmt: skip
    # Then it takes the smallest value, and fires below the limit
    assert found.expr.startswith("min by (job, group)")
    assert found.expr.endswith("< 0.75")


@pytest.mark.parametrize(("explained", "alerts_of_it"), [("none", 0), ("on request", 0),
                                                         ("all", 1), ("sampled", 1)])  # fmt: skip
def test_explanations_alert_if_the_policy_wants_them(
    project: BakedProject, explained: str, alerts_of_it: int
) -> None:
    # Given a policy about explanations, when the rules are written, then one is about them or none
    found = [one.name for one in every(configured(project, explained=explained))]
    assert found.count("ExplanationsMissing") == alerts_of_it


def test_each_owner_has_a_receiver(project: BakedProject, tmp_path: Path) -> None:
    # Given the sample of Alertmanager, when its routes are read
    params = configured(project)
    folder = written(params, tmp_path)
    sample = yaml.safe_load((folder / written_files.ALERTMANAGER).read_text(encoding="utf-8"))
    receivers = {one["name"] for one in sample["receivers"]}
    # Then each owner of an alert is a receiver, and each route leads to one
    assert receivers == {one.owner for one in every(params)}
    assert {one["receiver"] for one in sample["route"]["routes"]} < receivers
    # And nothing is sent to another machine until somebody completes it
    urls = {hook["url"] for one in sample["receivers"] for hook in one["webhook_configs"]}
    assert urls == {"http://127.0.0.1:9095/"}


def test_the_command_writes_the_files_for_the_job(
    project: BakedProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a project, when the command is run without a name for the job
    monkeypatch.chdir(project.path / "conf")
    command(tmp_path / "alerts", job="", target="", webhook="http://127.0.0.1:1/x")
    # Then five files are there, and it says so
    paths = sorted((tmp_path / "alerts").iterdir())
    assert sorted(capsys.readouterr().out.split()) == list(map(str, paths))
    assert [one.name for one in paths] == [
        *("alertmanager.yml", "alerts.yaml", "alerts_test.yaml", "dashboard.json"),
        "prometheus.yml",
    ]
    # And the job has the name of the project's experiment, and the address of its service
    sample = yaml.safe_load((tmp_path / "alerts" / "prometheus.yml").read_text(encoding="utf-8"))
    (scraped,) = sample["scrape_configs"]
    assert scraped["job_name"] == composition.compose(project.path / "conf").experiment
    assert scraped["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
    assert f'job="{scraped["job_name"]}"' in paths[1].read_text(encoding="utf-8")
    assert "http://127.0.0.1:1/x" in paths[0].read_text(encoding="utf-8")

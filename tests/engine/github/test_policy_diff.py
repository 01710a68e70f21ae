"""What a change does to what judges is reported rule by rule; what is loosened needs its owner."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import baked
import pytest
import registry
from baked import Bake
from github_stand_in import GitHubStandIn
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.core import config, evidence
from governed_ml.core.problem import Problem
from governed_ml.github import policy_diff as diffs
from governed_ml.github.workflow_run import event as events
from governed_ml.policy import judge as policy
from governed_ml.policy import weaker
from governed_ml.scaffold.manifest import Outside
from governed_ml.scaffold.supply import supply

RULE: dict[str, Any] = {"id": "evaluate.x", "metric": "evaluate.x", "block": 0.1, "owner": "o"}
GATE = ".github/workflows/governance.yml"
EDITED = Outside(GATE, "", "is not as this engine's template has it", "restore it", "0" * 64)
WEIGHTS = {"weights": {"evaluate": 60, "drift": 40}}
SPLIT = {"kind": "group", "test_share": 0.3}
LOG = {"source": {"kind": "log"}}
MOVED = {"size": 0.1, "tolerance": 0.1}
PACKAGE = "pyproject.toml [tool.uv] package"
numbers = st.floats(-2, 2).map(lambda value: round(value, 2))


def state(**changes: Any) -> Any:
    """What a commit is judged by, in the parts that are compared."""
    values = {"name": "limited", "confidence": 0.95, "rules": [RULE], "perturbation": MOVED}
    values |= {"risk": WEIGHTS} | changes
    sensitive = values.pop("sensitive", {"sex": {}})
    contract = values.pop("contract", [])
    data = config.Data.model_validate(
        {
            "name": "loans",
            "source": {"kind": "file", "path": "data/source/loans.csv"},
            "target": "paid",
            "positive": values.pop("positive", "yes"),
            "task": "classification",
            "sensitive": sensitive,
            "proxies": values.pop("proxies", []),
            "contract": "governance/expectations/loans.json",
        }
        | values.pop("data", {})
    )
    split = config.Split.model_validate(SPLIT | values.pop("split", {}))
    production = {
        "monitor": config.Monitor.model_validate(values.pop("monitor", {})),
        "notify": config.Notify.model_validate(values.pop("notify", {})),
    }
    seed = values.pop("seed", 2026)
    outside = {one.place: one for one in values.pop("outside", [])}
    packages = supply({"pyproject.toml": values.pop("pyproject", "").encode()}.get)
    deployment = values.pop("deployment", {"region": "EU"})
    own = config.Policy.model_validate(values)
    params = config.Params.model_construct(
        policy=own, data=data, deployment=deployment, split=split, seed=seed, **production
    )
    return diffs.State(params, contract, outside, packages)


def compared(old: Any, new: Any) -> list[tuple[str, str]]:
    """Every difference as kind and rule."""
    return [(one.kind, one.rule) for one in diffs.compare(old, new)]


WAIVER = {"rule": "evaluate.x", "reason": "until the new data", "approved_by": "@risk"}
NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}}
APPROVALS = {"roles": ["model-owner", "risk-owner"], "valid_days": 30}
REWEIGHED = [("loosened", "risk.weights.evaluate"), ("tightened", "risk.weights.drift")]
WATCH = {"id": "drift.data", "metric": "drift.x", "warn": 0.1, "retrain": 0.2, "owner": "o"}
WATCHED = {
    "minimum_rows": 10,
    "maximum_age_days": 9,
    "liveness_days": 9,
    "rules": [WATCH],
    "rollback_windows": 3,
    "retrain_every_days": 9,
}
FLOOR = {"file": "floor.yaml", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"rules": [RULE | {"block": 0.2}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"block": 0.05}]}, [("tightened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"block": None, "warn": 0.1}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"metric": "evaluate.y"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"when": "false"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"bound": "at_least"}]}, [("loosened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"minimum_n": 30}]}, [("tightened", "evaluate.x")]),
        ({}, {"rules": [RULE | {"owner": "p"}]}, [("changed", "evaluate.x")]),
        ({"rules": [RULE, RULE | {"id": "evaluate.y"}]}, {}, [("loosened", "evaluate.y")]),
        ({}, {"rules": [RULE, RULE | {"id": "evaluate.y"}]}, [("tightened", "evaluate.y")]),
        (
            {},
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            [("loosened", "evaluate.x")],
        ),
        (
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            {"waivers": [WAIVER | {"expires": "2027-01-02"}]},
            [("loosened", "evaluate.x")],
        ),
        (
            {"waivers": [WAIVER | {"expires": "2027-01-01"}]},
            {"waivers": [WAIVER | {"expires": "2026-12-01"}]},
            [("changed", "evaluate.x")],
        ),
        ({"waivers": [WAIVER | {"expires": "2027-01-01"}]}, {}, [("tightened", "evaluate.x")]),
        ({}, {"confidence": 0.9}, [("loosened", "confidence")]),
        ({}, {"confidence": 0.99}, [("tightened", "confidence")]),
        ({}, {"perturbation": MOVED | {"size": 0.05}}, [("loosened", "perturbation.size")]),
        ({}, {"perturbation": MOVED | {"size": 0.2}}, [("tightened", "perturbation.size")]),
        (
            {},
            {"perturbation": MOVED | {"tolerance": 1.0}},
            [("loosened", "perturbation.tolerance")],
        ),
        ({}, {"perturbation": None}, [("loosened", f"perturbation.{one}") for one in MOVED]),
        ({}, {"risk": {"weights": {"evaluate": 50, "drift": 50}}}, REWEIGHED),
        ({}, {"risk": None}, [("loosened", f"risk.weights.{one}") for one in WEIGHTS["weights"]]),
        ({"monitoring": WATCHED}, {}, [("loosened", "monitoring")]),
        (
            {"monitoring": WATCHED},
            {"monitoring": WATCHED | {"rollback_windows": 4, "minimum_rows": 20}},
            [
                ("loosened", "monitoring.rollback_windows"),
                ("tightened", "monitoring.minimum_rows"),
            ],
        ),
        (
            {"monitoring": WATCHED},
            {"monitoring": WATCHED | {"rules": [WATCH | {"retrain": 0.3}]}},
            [("loosened", "monitoring.drift.data")],
        ),
        ({}, {"monitoring": WATCHED}, [("tightened", "monitoring")]),
        ({"approvals": APPROVALS}, {}, [("loosened", "approvals")]),
        (
            {"approvals": APPROVALS},
            {"approvals": APPROVALS | {"roles": ["model-owner"]}},
            [("loosened", "approvals")],
        ),
        (
            {"approvals": APPROVALS},
            {"approvals": APPROVALS | {"valid_days": 31}},
            [("loosened", "approvals")],
        ),
        ({}, {"forks": {"accept_committed": True}}, [("loosened", "forks.accept_committed")]),
        ({"forks": {"accept_committed": True}}, {}, [("tightened", "forks.accept_committed")]),
        ({}, {"forks": {"accept_committed": False}}, []),
        ({}, {"engine": {"accept_days": 1}}, [("loosened", "engine.accept_days")]),
        ({"engine": {"accept_days": 2}}, {}, [("tightened", "engine.accept_days")]),
        (
            {"engine": {"accept_days": 2}},
            {"engine": {"accept_days": 3}},
            [("loosened", "engine.accept_days")],
        ),
        ({"engine": {"accept_days": 0}}, {}, []),
        ({"floor": FLOOR}, {}, [("loosened", "floor")]),
        ({"floor": FLOOR}, {"floor": FLOOR | {"sha256": "1" * 64}}, [("loosened", "floor")]),
        ({}, {"name": "minimal"}, [("changed", "policy")]),
        ({}, {"sensitive": {}}, [("loosened", "data.sensitive.sex")]),
        ({}, {"sensitive": {"sex": {"labels": {"1": "m"}}}}, [("loosened", "data.sensitive.sex")]),
        ({}, {"sensitive": {"sex": {}, "age": {}}}, []),
        ({}, {"deployment": {"region": "US"}}, [("loosened", "deployment")]),
        ({}, {"positive": "no"}, [("loosened", "data.positive")]),
        ({"proxies": ["zip"]}, {}, [("loosened", "data.proxies.zip")]),
        ({}, {"proxies": ["zip"]}, []),
        (
            {},
            {"data": {"source": {"kind": "team", "function": "curated"}}},
            [("loosened", "data.source")],
        ),
        ({"data": {"group": "person"}}, {}, [("loosened", "data.group")]),
        ({"data": {"time": "day"}}, {}, [("loosened", "data.time")]),
        ({}, {"data": {"drop": ["hard"]}}, [("loosened", "data.drop")]),
        ({}, {"data": {"categorical": ["zip"]}}, [("loosened", "data.categorical")]),
        ({}, {"data": {"contract": "other.json"}}, [("loosened", "data.contract")]),
        ({}, {"data": {"name": "credit"}}, [("changed", "data.name")]),
        ({}, {"split": {"kind": "random"}}, [("loosened", "split.kind")]),
        ({}, {"split": {"test_share": 0.02}}, [("loosened", "split.test_share")]),
        ({}, {"seed": 7}, [("loosened", "seed")]),
        ({}, {"monitor": LOG}, [("tightened", "monitor.source")]),
        ({"monitor": LOG}, {}, [("loosened", "monitor.source")]),
        ({}, {"monitor": {"label_delay_days": 90}}, [("loosened", "monitor.label_delay_days")]),
        ({"notify": {"url": "env:HOOK"}}, {}, [("loosened", "notify.url")]),
        ({}, {"outside": [EDITED]}, [("loosened", GATE)]),
        ({"outside": [EDITED]}, {"outside": [EDITED._replace(digest="1")]}, [("loosened", GATE)]),
        ({"outside": [EDITED]}, {"outside": [EDITED]}, []),
        ({"outside": [EDITED]}, {}, [("tightened", GATE)]),
        ({}, {"pyproject": "[tool.uv]\npackage = true\n"}, [("loosened", PACKAGE)]),
        ({"contract": [NULL]}, {}, [("loosened", "validate.contract")]),
        ({}, {"contract": [NULL]}, []),
    ],
)
def test_every_difference_is_told_with_its_direction(
    before: dict[str, Any], after: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    # Given what a commit is judged by, when a change is compared with it, then it is told
    assert compared(state(**before), state(**after)) == expected


def test_a_waiver_that_is_there_twice_is_refused() -> None:
    # Given a policy with two waivers of one rule, of which a reader may see either
    twice = [WAIVER | {"expires": day} for day in ("2030-01-01", "2026-12-01")]
    # When it is read, then it is refused
    with pytest.raises(ValueError, match=r"waiver for evaluate\.x is there twice"):
        state(waivers=twice)


@st.composite
def limits(draw: st.DrawFn) -> Any:
    """A rule with a limit."""
    values = RULE | {
        "bound": draw(st.sampled_from(["at_most", "at_least"])),
        "block": draw(st.none() | numbers),
        "warn": draw(numbers),
        "evidence": draw(st.sampled_from(["point", "beyond_chance", "interval"])),
        "minimum_n": draw(st.none() | st.integers(1, 50)),
    }
    return config.Rule.model_validate({k: v for k, v in values.items() if v is not None})


@st.composite
def metrics(draw: st.DrawFn) -> Any:
    """A metric, with bounds or without."""
    low, value, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    bounds = {"lower": low, "upper": high} if draw(st.booleans()) else {}
    n = draw(st.none() | st.integers(0, 60))
    return evidence.Metric(value=value, n=n, note="of a test", **bounds)


@given(limits(), limits(), metrics())
def test_what_is_not_called_loosened_lets_nothing_more_through(
    old: Any, new: Any, metric: Any
) -> None:
    # Given two versions of a rule of which the second is not called weaker
    if weaker.weaker_rule(new, old):
        return
    # When both judge the same number, then what the second lets through the first did, too
    through = ("pass", "warn")
    if policy.compare(new, metric)[0] in through:
        assert policy.compare(old, metric)[0] in through


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ({"pull_request": {"number": 5}}, 5),
        ({"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-12-{'a' * 40}"}}, 12),
        ({"merge_group": {"head_ref": "refs/heads/other/pr-12-aa"}}, None),
        ({"before": "a" * 40}, None),
        ({}, None),
    ],
)
def test_the_event_names_the_pull_request(event: dict[str, Any], number: int | None) -> None:
    # Given an event, when its pull request is looked for, then it is the one it is about
    assert events.pull_number(event) == number


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({"repo": {"full_name": "a/b"}}, False),
        ({"repo": {"full_name": "m/b"}}, True),
        ({"repo": None}, True),
        ({}, True),
    ],
)
def test_who_cannot_be_told_apart_is_a_fork(head: dict[str, Any], fork: bool) -> None:
    # Given a pull request, when its head's repository is another one, or gone, then it is a fork
    event = {"pull_request": {"head": head, "base": {"repo": {"full_name": "a/b"}}}}
    assert events.from_fork(event) is fork


POLICY = "conf/policy/base.yaml"


@pytest.fixture
def loosened(bake_runnable: Bake) -> baked.BakedProject:
    """A project with a policy owner, and on a branch a commit that loosens a limit."""
    project = bake_runnable()
    project.write("governance/approvers.yaml", json.dumps(registry.POLICY_OWNER))
    baked.commit_all(project.path, "Who owns the policy")
    baked.git(project.path, "checkout", "--quiet", "-b", "feature")
    text = project.read(POLICY)
    changed = text.replace(registry.LIMIT, "warn: 0.65\n    block: 0.60")
    assert changed != text
    project.write(POLICY, changed)
    baked.commit_all(project.path, "Loosen")
    return project


def in_actions(
    github_api: GitHubStandIn, folder: Path, event: dict[str, Any], **more: str
) -> dict[str, str]:
    """The variables of a workflow's step."""
    path = folder / "event.json"
    path.write_text(json.dumps(event), encoding="utf-8")
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": github_api.repository,
        "GITHUB_API_URL": github_api.url,
        "GITHUB_TOKEN": github_api.token,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    } | more


@pytest.mark.slow
def test_trap_29_a_loosened_limit_needs_the_policys_owner(
    loosened: baked.BakedProject, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a pull request that loosens a limit
    base = baked.git(loosened.path, "rev-parse", "main")
    head = baked.git(loosened.path, "rev-parse", "HEAD")
    github_api.add_pull(4, author="ada")
    github_api.pulls[4]["head"]["sha"] = head
    event = {"pull_request": {"number": 4, "base": {"sha": base}}}
    variables = in_actions(github_api, tmp_path, event)
    # When nobody, the author, or somebody else has approved, then it is refused, with the rule
    github_api.review(4, "ada", "APPROVED", commit_id=head)
    github_api.review(4, "eve", "APPROVED", commit_id=head)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "loosened: evaluate.roc_auc: warn is" in done.stderr
    assert "no risk-owner has approved its head" in done.stderr
    assert "ask @risky for a review" in done.stderr
    assert f"::warning file={POLICY},line=" in done.stderr
    assert "evaluate.roc_auc" in (tmp_path / "summary.md").read_text()
    # When the owner has approved an earlier commit, then that is not enough
    github_api.review(4, "risky", "APPROVED", commit_id=base)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert f"@risky approved commit {base[:12]} of pull request 4" in done.stderr
    # When the owner has approved this commit, then it goes through, and says who it was
    github_api.review(4, "Risky", "APPROVED", commit_id=head)
    done = loosened.governance("policy", "diff", **variables)
    assert "1 loosened" in done.stdout
    assert "approved by Risk (@Risky)" in done.stdout
    # When the owner wrote a part of it, then that approval is none
    own = ["-c", "user.email=risk@example.org", "commit", "--quiet", "--allow-empty", "-m", "Mine"]
    baked.git(loosened.path, *own)
    mine = baked.git(loosened.path, "rev-parse", "HEAD")
    github_api.pulls[4]["head"]["sha"] = mine
    github_api.review(4, "risky", "APPROVED", commit_id=mine)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "ask one who wrote none of it" in done.stderr
    baked.git(loosened.path, "reset", "--quiet", "--hard", head)
    github_api.pulls[4]["head"]["sha"] = head
    # When the owner takes it back, then it is refused again
    github_api.review(4, "risky", "CHANGES_REQUESTED", commit_id=head)
    loosened.governance("policy", "diff", code=1, **variables)


@pytest.mark.slow
def test_a_loosened_limit_on_main_needs_the_pull_request_that_brought_it(
    loosened: baked.BakedProject, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a push to main that loosens a limit
    base = baked.git(loosened.path, "rev-parse", "main")
    head = baked.git(loosened.path, "rev-parse", "HEAD")
    variables = in_actions(github_api, tmp_path, {"before": base})
    # When it came by no pull request, then the owner is asked for
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "a risk-owner is asked" in done.stdout
    # When it came by one that the owner approved, then it goes through
    github_api.add_pull(4, author="ada", merged=True)
    github_api.pulls[4]["head"]["sha"] = head
    github_api.review(4, "risky", "APPROVED", commit_id=head)
    github_api.add_commit(head, 4)
    assert "approved by Risk" in loosened.governance("policy", "diff", **variables).stdout
    # And so it does if the same push brought another pull request after it
    loosened.write("README.md", "Another one\n")
    after = baked.commit_all(loosened.path, "Words")
    github_api.add_pull(5, author="ada", merged=True)
    github_api.add_commit(after, 5)
    assert "approved by Risk" in loosened.governance("policy", "diff", **variables).stdout
    # And not if that loosens a limit, too
    text = loosened.read(POLICY)
    stricter = "metric: explain.coverage\n    bound: at_least\n    block: 0.95"
    assert stricter in text
    loosened.write(POLICY, text.replace(stricter, stricter.replace("0.95", "0.5")))
    later = baked.commit_all(loosened.path, "Loosen more")
    github_api.add_pull(6, author="ada", merged=True)
    github_api.pulls[6]["head"]["sha"] = later
    github_api.add_commit(later, 6)
    done = loosened.governance("policy", "diff", code=1, **variables)
    assert "pull request 6 loosens what models are judged by" in done.stderr


@pytest.mark.slow
def test_without_a_loosened_limit_nobody_is_asked(
    bake_runnable: Bake, github_api: GitHubStandIn, tmp_path: Path
) -> None:
    # Given a push that touches no limit, when its policy is compared, then GitHub is not asked
    project = bake_runnable()
    base = baked.commit_all(project.path, "The lock")
    project.write("README.md", "Another one\n")
    baked.commit_all(project.path, "Words")
    project.governance("policy", "diff", **in_actions(github_api, tmp_path, {"before": base}))
    assert not github_api.asked
    # And of a first push there is nothing to compare with
    first = in_actions(github_api, tmp_path, {"before": "0" * 40})
    assert "no earlier policy" in project.governance("policy", "diff", **first).stdout
    # And a base that is not here is no answer
    lost = in_actions(github_api, tmp_path, {"before": "1" * 40})
    assert "fetch-depth 0" in project.governance("policy", "diff", code=2, **lost).stderr
    # And on a machine without an event it is compared with main
    assert "0 loosened" in project.governance("policy", "diff").stdout
    # And there it counts what is in no commit yet
    limits = project.read(POLICY)
    project.write(POLICY, limits.replace("block: 0.95", "block: 0.5"))
    said = project.governance("policy", "diff", code=1).stdout
    assert "uncommitted changes included: 1 loosened" in said


PIN = re.compile(r"^governed-ml = \{ git = .*$", re.MULTILINE)
JUDGE = ".github/workflows/governance.yml"


def repin(text: str) -> str:
    """Another commit of the engine, or a fork of it."""
    return PIN.sub(
        lambda _: f'governed-ml = {{ git = "https://example.org/fork", rev = "{"1" * 40}" }}', text
    )


PULLS: dict[str, tuple[dict[str, Callable[[str], str]], str]] = {
    "engine": ({"pyproject.toml": repin}, "engine.source: file:///"),
    "settings": ({"uv.toml": lambda _: "offline = true\n"}, "uv.toml: is new"),
    "workflow": (
        {JUDGE: lambda text: text.replace("governance gate", "echo")},
        f"{JUDGE}: is not as this engine's template has it",
    ),
    "own-workflow": (
        {".github/workflows/ours.yml": lambda _: "jobs: {a: {steps: []}}\n"},
        ".github/workflows/ours.yml: is a workflow that is not the template's",
    ),
    "stage": (
        {"dvc.yaml": lambda text: text.replace("cmd: governance stage train", "cmd: python t.py")},
        "dvc.yaml train: is not as the template has it: cmd",
    ),
}


@pytest.fixture(scope="module")
def owned(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A project with a policy owner and a lock; not to be changed."""
    project = baked.bake(template, tmp_path_factory.mktemp("owned"), environment)
    project.write("governance/approvers.yaml", json.dumps(registry.POLICY_OWNER))
    baked.commit_all(project.path, "Who owns the policy")
    return project


@pytest.mark.parametrize("name", PULLS)
def test_trap_44_what_judges_otherwise_needs_the_risk_owner(
    owned: baked.BakedProject,
    name: str,
    github_api: GitHubStandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a pull request that changes which code judges
    project = baked.copy_project(owned, tmp_path)
    edits, said = PULLS[name]
    base = baked.git(project.path, "rev-parse", "HEAD")
    for file, edit in edits.items():
        text = project.read(file) if project.has_file(file) else ""
        assert edit(text) != text
        project.write(file, edit(text))
    head = baked.commit_all(project.path, "A small improvement")
    # When it is compared with its base
    changes = diffs.compare(diffs.at(project.path, base), diffs.at(project.path, head))
    # Then it is loosened, and says how
    lines = [f"{one.rule}: {one.what}" for one in changes]
    assert [one.kind for one in changes] == ["loosened"], lines
    assert lines[0].startswith(said)
    # And without the risk owner's approval it is refused, with it not
    github_api.add_pull(4, author="ada")
    github_api.pulls[4]["head"]["sha"] = head
    event = {"pull_request": {"number": 4, "base": {"sha": base}}}
    for key, value in in_actions(github_api, tmp_path, event).items():
        monkeypatch.setenv(key, value)
    with pytest.raises(Problem, match="no risk-owner has approved its head"):
        diffs.approved_by(project.path, 4, base, head)
    github_api.review(4, "risky", "APPROVED", commit_id=head)
    assert diffs.approved_by(project.path, 4, base, head) == "Risk (@risky)"


def test_rows_that_a_source_of_the_teams_drops_need_the_risk_owner(
    owned: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a project whose table a function of the team's makes
    project = baked.copy_project(owned, tmp_path)
    data, made = "conf/data/synthetic.yaml", f"src/{project.package}/sources.py"
    own = "source: {kind: team, function: from_folder, options: {folder: data/source}}"
    text, many = re.subn(r"source:\n(  .*\n)+", own + "\n", project.read(data))
    assert many == 1
    project.write(data, text)
    base = baked.commit_all(project.path, "A source of our own")
    # When the function keeps the nicer rows only
    kept = '[lambda frame: frame["income"] > 20_000]'
    project.write(made, project.read(made).rstrip() + kept + "\n")
    head = baked.commit_all(project.path, "A small improvement")
    # Then that is loosened, as a query with a condition in conf/data would be
    [change] = diffs.compare(diffs.at(project.path, base), diffs.at(project.path, head))
    assert (change.kind, change.rule) == ("loosened", made)
    assert "makes the table that is measured" in change.what
    # And what else the team writes is not, nor is the module where it makes no table
    trained = f"src/{project.package}/training.py"
    project.write(trained, project.read(trained) + "\n\n# better\n")
    assert (
        diffs.compare(
            diffs.at(project.path, head),
            diffs.at(project.path, baked.commit_all(project.path, "Train")),
        )
        == []
    )
    other = baked.copy_project(owned, tmp_path / "other")
    before = baked.git(other.path, "rev-parse", "HEAD")
    other.write(made, other.read(made) + "\n\n# better\n")
    after = baked.commit_all(other.path, "Not used")
    assert diffs.compare(diffs.at(other.path, before), diffs.at(other.path, after)) == []


def test_trap_44_a_configuration_of_a_newer_engine_needs_the_risk_owner(
    owned: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a change whose configuration has a key that this engine does not know
    project = baked.copy_project(owned, tmp_path)
    base = baked.git(project.path, "rev-parse", "HEAD")
    project.write("conf/config.yaml", project.read("conf/config.yaml") + "\nlater: 1\n")
    head = baked.commit_all(project.path, "Newer")
    # When it is compared, then it is refused
    before = diffs.at(project.path, base)
    with pytest.raises(Problem, match="later"):
        diffs.compare(before, diffs.at(project.path, head))
    # And if the engine moves with it, the risk owner decides
    project.write("pyproject.toml", repin(project.read("pyproject.toml")))
    head = baked.commit_all(project.path, "With its engine")
    changes = diffs.compare(before, diffs.at(project.path, head))
    assert [(one.kind, one.rule) for one in changes] == [
        ("loosened", "engine.source"),
        ("loosened", "policy"),
    ]
    assert "could not be compared: " in changes[1].what

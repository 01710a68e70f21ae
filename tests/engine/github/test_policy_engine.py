"""What makes judges of another engine, workflow, stage or source needs the risk owner."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import baked
import pytest
import registry
from github_projects import in_actions
from github_stand_in import GitHubStandIn

from governed_ml.core.problem import Problem
from governed_ml.github import policy_diff as diffs

PIN = re.compile(r"^governed-ml = \{ git = .*$", re.MULTILINE)
JUDGE = ".github/workflows/governance.yml"


def repin(text: str) -> str:
    """Another commit of the engine, or a fork of it."""
    return PIN.sub(
        lambda _: f'governed-ml = {{ git = "https://example.org/fork", rev = "{"1" * 40}" }}', text
    )


PULLS: dict[str, tuple[dict[str, Callable[[str], str]], str]] = {
    "engine": ({"pyproject.toml": repin}, "engine.source: file:///"),
    "settings": ({"uv.toml": lambda _: "offline = true\n"}, "uv.toml: it is new"),
    "workflow": (
        {JUDGE: lambda text: text.replace("governance gate", "echo")},
        f"{JUDGE}: it differs from this engine's template",
    ),
    "own-workflow": (
        {".github/workflows/ours.yml": lambda _: "jobs: {a: {steps: []}}\n"},
        ".github/workflows/ours.yml: it is a workflow that is not in the template",
    ),
    "stage": (
        {"dvc.yaml": lambda text: text.replace("cmd: governance stage train", "cmd: python t.py")},
        "dvc.yaml train: it differs from the template: cmd",
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
def test_trap_44_a_change_of_the_judging_code_needs_the_risk_owner(
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

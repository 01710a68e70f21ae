"""Jobs without the data judge by what another job of the same run has hashed, and only by that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import baked
import pytest
import typer
import yaml
from baked import BakedProject
from workflow_rules import load

from governed_ml.cli import workflow
from governed_ml.core.config.policy_schema import ForkTerms, Policy
from governed_ml.core.problem import Problem
from governed_ml.policy import decision as decisions
from governed_ml.policy import gate as gates

RUN = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7"}
GATES = ["validate", "split", "evaluate", "drift", "fairness", "explain"]


def elsewhere(project: BakedProject) -> BakedProject:
    """Take away what a job without the data does not have."""
    for name in ("data", "models"):
        shutil.rmtree(project.path / name)
    return project


def test_git_ignores_what_was_hashed(project: BakedProject) -> None:
    # Given a fresh project, when the file of `rehash` is looked up, then git ignores it
    assert baked.git_code(project.path, "check-ignore", "--quiet", "reports/rehash.json") == 0


@pytest.mark.nightly
def test_the_gates_judge_without_the_data_what_was_hashed_with_them(finished: BakedProject) -> None:
    # Given a project whose line ran, and what was hashed there
    done = finished.call("rehash", **RUN)
    assert "as committed: ingest, validate, split, train, evaluate" in done.stdout
    before = json.loads(finished.call("gate", "--json", **RUN).stdout)
    # And what was hashed is no change of the tree, which has to be clean for `register`
    assert not baked.git(finished.path, "status", "--porcelain", "--", "reports/rehash.json")
    # When the data are not there any more
    elsewhere(finished)
    # Then each gate, and all together, say the same as with them
    for gate in GATES:
        finished.call("gate", gate, "--rehashed", **RUN)
    after = json.loads(finished.call("gate", "--rehashed", "--json", **RUN).stdout)
    assert (after["verdict"], after["rules"]) == ("allow", before["rules"])
    assert after["subject"] == before["subject"]
    assert after["volatile"]["recomputed"] == "true"
    # And without what was hashed, no
    done = finished.call("gate", "fairness", code=1, **RUN)
    assert "evidence of fairness is stale: data/" in done.stdout


def refused(project: BakedProject, *words: str, code: int = 1, **variables: str) -> None:
    """No gate says yes, and the reason is named."""
    done = project.call("gate", "--rehashed", code=code, **RUN | variables)
    for word in words:
        assert word in done.stdout + done.stderr
    assert json.loads(project.read("reports/decision.json"))["verdict"] == "deny"


def test_trap_04_hashes_count_only_for_their_own_commit_and_run(finished: BakedProject) -> None:
    # Given what was hashed in run 7
    finished.call("rehash", **RUN)
    # When it is taken to another run, or to none
    refused(finished, "rehash.json is of run 7, but this is 8", GITHUB_RUN_ID="8")
    refused(finished, "rehash.json is of run 7, but this is None", GITHUB_ACTIONS="")
    # When another commit is judged by it
    baked.git(finished.path, "commit", "--quiet", "--allow-empty", "-m", "More")
    refused(finished, "reports/rehash.json is of commit")
    # When it is torn, or not there
    finished.write("reports/rehash.json", '{"commit": 1}')
    refused(finished, "reports/rehash.json is not readable", code=2)
    (finished.path / "reports/rehash.json").unlink()
    refused(finished, "the job `pipeline` did not succeed", code=2)


def tampered(project: BakedProject, gate: str, change: Callable[[Any], None]) -> None:
    """Change one gate's evidence."""
    name = f"reports/evidence/{gate}.json"
    evidence = json.loads(project.read(name))
    change(evidence)
    project.write(name, json.dumps(evidence))


def fairer(evidence: Any) -> None:
    """Write a smaller number."""
    metric = evidence["metrics"]["sex.demographic_parity_difference"]
    metric |= {"value": 0.0001, "lower": 0.0, "upper": 0.001}


def test_trap_04_evidence_that_was_changed_on_its_way_is_refused(finished: BakedProject) -> None:
    # Given evidence that is another one than was hashed, one that is missing, and a hash that is
    finished.call("rehash", **RUN)
    kept = finished.read("reports/rehash.json")
    elsewhere(finished)
    tampered(finished, "fairness", fairer)
    # When a gate judges it, then it is refused, and the others are not touched
    done = finished.call("gate", "fairness", "--rehashed", code=1, **RUN)
    assert "evidence of fairness differs from what the job `pipeline` uploaded" in done.stdout
    finished.call("gate", "drift", "--rehashed", **RUN)
    (finished.path / "reports/evidence/explain.json").unlink()
    done = finished.call("gate", "explain", "--rehashed", code=1, **RUN)
    assert "reports/evidence/explain.json is missing" in done.stdout
    values = json.loads(kept)
    del values["files"]["data/split/test.parquet"]
    finished.write("reports/rehash.json", json.dumps(values))
    done = finished.call("gate", "drift", "--rehashed", code=1, **RUN)
    assert "data/split/test.parquet is missing" in done.stdout


def test_trap_13_a_forged_lock_is_found_when_the_pipeline_has_run(finished: BakedProject) -> None:
    # Given a hand-written report that was locked and committed, and the line's honest one after it
    honest = finished.read("reports/evidence/fairness.json")
    tampered(finished, "fairness", fairer)
    finished.run(["dvc", "commit", "--force", "--quiet"])
    assert finished.run(["dvc", "status", "-q"]).returncode == 0
    baked.commit_all(finished.path, "Better numbers")
    finished.write("reports/evidence/fairness.json", honest)
    # When what the pipeline measured is held against the commit, then the forgery is named
    done = finished.call("rehash", code=1, **RUN)
    assert "evidence of fairness was not measured on this commit" in done.stderr
    assert "sex.demographic_parity_difference" in done.stderr
    assert "::error" in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frozen": True}, "stage fairness is frozen"),
        ({"cmd": "cp forged.json reports/evidence/fairness.json"}, "instead of its own module"),
        ({"wdir": "elsewhere"}, "stage fairness runs 'governance stage"),
    ],
    ids=["frozen", "another-command", "another-folder"],
)
def test_trap_13_a_stage_that_does_not_measure_is_refused(
    finished: BakedProject, change: dict[str, Any], words: str
) -> None:
    # Given a pipeline in which one stage is frozen, or runs something else
    pipeline = yaml.safe_load(finished.read("dvc.yaml"))
    pipeline["stages"]["fairness"] |= change
    finished.write("dvc.yaml", yaml.safe_dump(pipeline))
    # When what it left is hashed, then it is refused
    assert words in finished.call("rehash", code=1, **RUN).stderr


def test_trap_13_a_disconnected_stage_leaves_no_evidence(finished: BakedProject) -> None:
    # Given a forged report, and a pipeline in which its stage hangs on nothing that runs
    tampered(finished, "fairness", fairer)
    pipeline = yaml.safe_load(finished.read("dvc.yaml"))
    pipeline["stages"]["fairness"]["deps"] = ["LICENSE"]
    finished.write("dvc.yaml", yaml.safe_dump(pipeline))
    baked.commit_all(finished.path, "Better numbers")
    # When the pipeline starts as the workflow starts it, then what was committed is gone
    finished.call("fetch", "--fresh", **RUN)
    assert not list((finished.path / "reports" / "evidence").iterdir())
    done = finished.call("rehash", code=1, **RUN)
    assert "there is no evidence, so nothing was measured" in done.stderr
    # And the gate that nobody measured for is red
    finished.call("rehash", **RUN, code=1)
    done = finished.call("gate", "fairness", "--rehashed", code=1, **RUN)
    assert "reports/evidence/fairness.json is missing" in done.stdout


@pytest.mark.parametrize("trap", ["trap-15-a-branch-of-our-own", "trap-21-a-fork"])
def test_only_a_fork_may_lack_the_data_and_its_committed_evidence_is_judged(
    finished: BakedProject, tmp_path: Path, trap: str
) -> None:
    # Given a project on data of our own that this machine cannot read, and a pull request
    book = yaml.safe_load(finished.read("conf/data/synthetic.yaml"))
    book |= {"name": "book", "source": {"kind": "file", "path": "data/source/book.parquet"}}
    finished.write("conf/data/book.yaml", yaml.safe_dump(book))
    text = finished.read("conf/config.yaml").replace("data: synthetic", "data: book")
    finished.write("conf/config.yaml", text)
    text = finished.read(".dvc/config").replace("../.dvc-remote", "http://127.0.0.1:9/loans")
    finished.write(".dvc/config", text)
    elsewhere(finished)
    shutil.rmtree(finished.path / ".dvc" / "cache")
    whose = "mallory/loans" if "fork" in trap else "acme/loans"
    sides = {"head": whose, "base": "acme/loans"}
    pull = {side: {"repo": {"full_name": name}} for side, name in sides.items()}
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 4, **pull}}), encoding="utf-8")
    # When the line's data are fetched, then a fork's commit is judged as it is, and said so
    code = 0 if "fork" in trap else 1
    done = finished.call("fetch", "--fresh", code=code, **RUN, GITHUB_EVENT_PATH=str(event))
    if code:  # and of our own branch that is not enough
        assert "cannot fetch the data from DVC's remote" in done.stderr
        assert "dvc push" in done.stderr
    else:
        assert "not recomputed: a fork cannot read the data" in done.stdout
        assert (finished.path / "reports/evidence/fairness.json").is_file()


def test_a_runner_without_the_data_writes_what_it_judged(
    finished: BakedProject, tmp_path: Path
) -> None:
    # Given a clean clone without data and model, as the runner of a fork has it
    clone = BakedProject(tmp_path / "clone", finished.environment, finished.variables)
    baked.git(finished.path, "clone", "--quiet", str(finished.path), str(clone.path))
    clone.call("rehash", "--as-committed", **RUN)
    # When the gate judges there, then its decision is written in the place of the committed one
    clone.call("gate", "--rehashed", code=1, **RUN)
    assert json.loads(clone.read("reports/decision.json"))["volatile"]["recomputed"] == "false"


def test_a_decision_without_recomputation_says_so(finished: BakedProject, tmp_path: Path) -> None:
    # Given a project without its data, whose commit is taken at its word
    elsewhere(finished)
    summary = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    done = finished.call("rehash", "--as-committed", **RUN)
    assert "not recomputed" in done.stdout
    # When it is judged, then the answer is no: whoever committed may have written the numbers
    done = finished.call("gate", "fairness", "--rehashed", code=1, **RUN)
    assert "gate.recomputed" in done.stdout
    refused(finished, "nothing was measured in this run", "forks.accept_committed in conf/policy/")
    # When the policy accepts that, then the decision and its readers know that nothing was measured
    policy = "conf/policy/limited.yaml"
    finished.write(policy, finished.read(policy) + "\nforks: {accept_committed: true}\n")
    done = finished.call("gate", "--rehashed", **RUN, **summary)
    assert json.loads(finished.read("reports/decision.json"))["volatile"]["recomputed"] == "false"
    assert "::warning title=gate::not recomputed" in done.stderr
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "**not recomputed**" in text
    assert "No model can be promoted on it" in text


@pytest.mark.parametrize("names", [None, ["fairness"]])
@pytest.mark.parametrize(
    ("recomputed", "forks", "verdict"),
    [
        (True, None, "allow"),
        (False, None, "deny"),
        (False, False, "deny"),
        (False, True, "allow"),
    ],
)
def test_trap_21_committed_evidence_alone_is_denied_unless_the_policy_accepts_it(
    monkeypatch: pytest.MonkeyPatch,
    names: list[str] | None,
    recomputed: bool,
    forks: bool | None,
    verdict: str,
) -> None:
    # Given evidence that every rule lets through, measured by a job or only committed
    terms = None if forks is None else ForkTerms(accept_committed=forks)
    rule = SimpleNamespace(id="fairness.x")
    policy = Policy.model_construct(rules=[rule], forks=terms)
    every = {"verdict": "allow", "rules": [], "subject": decisions.DecisionSubject()}
    allowed = decisions.Decision(**every, policy_digest=None)
    saved: list[Any] = []
    monkeypatch.setattr(gates, "compose", lambda _: SimpleNamespace(policy=policy))
    monkeypatch.setattr(gates, "recheck", lambda *_: {})
    monkeypatch.setattr(gates, "judge", lambda *_: allowed)
    monkeypatch.setattr(gates, "save", lambda decision, _: saved.append(decision))
    known = gates.Elsewhere({}, {}, "none", recomputed)
    # When it is judged, then nobody's word is enough by default, and the reason is among the rules
    found = gates.gate(Path(), date(2026, 11, 29), names, known)
    assert found.verdict == verdict
    assert saved == ([] if names else [found])
    assert [one.id for one in found.rules] == ["gate.recomputed"] * (verdict == "deny")


def test_trap_20_the_decision_needs_the_success_of_every_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given every combination of results of three jobs
    for results in product(("success", "failure", "cancelled", "skipped"), repeat=3):
        needs = {number: {"result": result} for number, result in enumerate(results)}
        # When they are put together, then it is a yes only if all are success
        assert aggregated(monkeypatch, json.dumps(needs)) == (
            0 if set(results) == {"success"} else 1
        )
    # And no jobs at all are no answer
    for needs in ("{}", "", "[]", '{"a": {}}', "null"):
        with pytest.raises(Problem):
            aggregated(monkeypatch, needs)


def aggregated(monkeypatch: pytest.MonkeyPatch, needs: str) -> int:
    """The exit code for what GitHub says about the jobs."""
    monkeypatch.setenv("NEEDS", needs)
    try:
        workflow.aggregate()
    except typer.Exit as end:
        return end.exit_code
    return 0


def test_trap_20_the_decision_needs_every_other_job() -> None:
    # Given the workflow that judges
    jobs = load(baked.TEMPLATE / ".github" / "workflows" / "governance.yml")["jobs"]
    # Then its decision needs every other job, is never skipped, and hears what became of each
    assert set(jobs["decision"]["needs"]) == jobs.keys() - {"decision"}
    assert jobs["decision"]["if"] == "${{ always() }}"
    steps = {step.get("name"): step for step in jobs["decision"]["steps"]}
    said = steps["Check that every job succeeded"]
    assert said["env"] == {"NEEDS": "${{ toJSON(needs) }}"}
    assert said["run"].endswith("governance aggregate")
    assert "if" not in said
    # And no gate is skipped after a line that failed
    for name, job in jobs.items():
        assert name in ("pipeline", "policy", "decision") or job["if"] == "${{ !cancelled() }}"
        assert not any("continue-on-error" in step for step in job["steps"])


def test_annotations_and_summaries_cannot_be_forged_by_what_they_tell(
    finished: BakedProject, tmp_path: Path
) -> None:
    # Given a value of the data that holds Markdown, HTML and a command for the runner
    text = finished.read("conf/policy/base.yaml")
    awkward = "Until <img src=x> | `later`\\n::set-output name=x::y *now* [a](b)"
    waiver = (
        f'waivers:\n  - {{rule: explain.coverage, reason: "{awkward}", approved_by: "@r", '
        "expires: 2099-01-01}\n"
    )
    coverage = "bound: at_least\n    block: 0.95"
    assert coverage in text
    text = text.replace("waivers: []\n", waiver).replace(coverage, coverage.replace("0.95", "2"))
    finished.write("conf/policy/base.yaml", text)
    files = {
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    # When the gate tells of it
    done = finished.call("gate", "explain", code=None, **RUN, **files)
    # Then it is text: no line of the runner's own, and no markup
    said = [line.strip() for line in done.stdout.splitlines()]
    stop = next(line for line in said if line.startswith("::stop-commands::"))
    assert said[0] == stop
    assert said.index(stop.removeprefix("::stop-commands") + "::") > 2
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "<img" not in summary
    assert "[a](b)" not in summary
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert not [line for line in lines if line.startswith("::set-output")]

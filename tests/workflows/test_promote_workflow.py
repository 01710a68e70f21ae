"""promote.yml, executed by `act`: what people said yes to is champion, attested and deployed."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime

import baked
import github_projects
import hosting
import pytest
import registry
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hosting import MOVED, NEEDS, Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


@pytest.mark.nightly
def test_two_people_say_yes_and_the_version_is_champion(hosted: Hosted) -> None:
    # Given a version that waits, and a run of the workflow that two people approve
    hosted.say_yes(model="owner", risk="risk")
    # When the workflow runs
    run = hosted.run()
    # Then every job ran and is green
    assert (run.code, run.green, run.red) == (0, {*NEEDS, *MOVED}, set()), run.tail()
    # And the version is champion, on the word of two people about just this run
    assert registry.states(hosted.project) == {1: "champion"}
    assert registry.actions(hosted.pulled()) == ["registered 1", "approved 1", "promoted 1"]
    promoted = registry.ledger(hosted.project)[-1]
    assert promoted["actor"] == "robot"
    said = {(one["approver"], one["source"], one["commit"]) for one in promoted["approvals"]}
    assert said == {(name, "github:run:7", hosted.commit) for name in ("owner", "risk")}
    # And who was asked could read the decision, who approved what was approved
    assert "| ✅ pass | evaluate.roc" in run.summaries["rejudge"]
    for job in ("approve-model", "approve-risk"):
        assert promoted["subject"]["model"] in run.summaries[job]
        assert hosted.commit in run.summaries[job]
    # And the model was attested with all that it consists of, verified, and only then promoted
    attested = hosted.runner.noted("actions/attest")
    assert [one["subject-path"] for one in attested] == ["reports/sbom/model.skops"]
    steps = [step for job, step in run.steps if job == "promote"]
    order = ["Record who approved", "Attest the model and its parts"]
    order += ["Verify that this workflow attested it", "Promote"]
    assert [step for step in steps if step in order] == order
    assert run.steps["deploy", "Smoke test"] == "success"
    assert "Nothing is deployed yet" in run.summaries["deploy"]
    page = f"{hosted.settings['MLFLOW_TRACKING_URI']}/#/models/governed-model/versions/1"
    assert run.outputs["promote", "url"] == page
    # And the list is whole, valid, an artifact, and beside the version
    bill = json.loads((hosted.runner.home / "artifacts" / "sbom" / "sbom.json").read_text("utf-8"))
    parts = {one["name"]: one for one in bill["components"]}
    assert {"scikit-learn", "duckdb", "data/raw.parquet", "governed-model"} <= set(parts)
    assert parts["governed-model"]["type"] == "machine-learning-model"
    known = {one["name"]: one["value"] for one in parts["governed-model"]["properties"]}
    assert known["governance:commit"] == hosted.commit
    assert known["governance:model"] == promoted["subject"]["model"]
    file = (registry.artifacts(hosted.project, 1) / "bundle" / "model.skops").read_bytes()
    digest = {"alg": "SHA-256", "content": hashlib.sha256(file).hexdigest()}
    assert parts["governed-model"]["hashes"] == [digest]
    beside = registry.artifacts(hosted.project, 1) / "sbom" / "sbom.json"
    assert json.loads(beside.read_text("utf-8")) == bill
    # (of the packages a few, without their addresses: checking one takes a second)
    few = [dict(one) for one in bill["components"][:6]]
    for one in few:
        one.pop("externalReferences", None)
    text = json.dumps(bill | {"components": few})
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None


@pytest.mark.nightly
def test_by_a_pull_request_where_environments_have_no_reviewers(hosted: Hosted) -> None:
    # Given a plan without reviewers of environments, a stricter policy on main since, and a pull
    # request that both people approved
    for name in ("approve-model", "approve-risk"):
        del hosted.hub.settings.environments[name]
    commit = hosted.commit
    hosted.edit(hosting.POLICY, registry.LIMIT, registry.STRICT)
    before = baked.git(hosted.project.path, "rev-parse", "HEAD")
    registry.save(hosted.project, "Stricter", author="Risk <risk@example.org>")
    github_projects.meet(hosted.project, hosted.hub)
    pull = hosted.hub.add_pull(5, author="author-at-github")
    pull["head"]["sha"] = commit
    for name in ("owner", "risk"):
        given = {"commit_id": commit, "submitted_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        hosted.hub.review(5, f"{name}-at-github", "APPROVED", **given)
    # When the workflow runs, then today's policy denies the version
    run = hosted.run(inputs={"pull": "5"})
    assert (run.green, run.red) == ({"preflight"}, {"rejudge"}), run.tail()
    assert "evaluate.roc_auc" in run.said["rejudge"]
    # And under the policy as it was, it is promoted without an environment that asks
    baked.git(hosted.project.path, "checkout", "--quiet", before, "--", hosting.POLICY)
    registry.save(hosted.project, "As it was", author="Risk <risk@example.org>")
    github_projects.meet(hosted.project, hosted.hub)
    run = hosted.run(inputs={"pull": "5"})
    assert (run.green, run.red) == ({"preflight", "rejudge", *MOVED}, set()), run.tail()
    assert registry.ledger(hosted.pulled())[-1]["approvals"][0]["source"] == "github:pull:5"

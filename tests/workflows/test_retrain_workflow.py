"""retrain.yml, really executed by `act`: from new data to a pull request, and to nothing more."""

from __future__ import annotations

import sys

import acting
import baked
import github_issues_stand_in as issues
import github_projects
import hosting
import pytest
import registry
from hosting import Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,  # on every push: test_retrain.py, without act
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]
TOKEN = "ghp_RETRAIN"  # noqa: S105 - of these tests
DATA = "conf/data/synthetic.yaml"
GIVEN = {"reason": "Window 7: drift.data[income]"}


@pytest.fixture
def champion(hosted: Hosted) -> Hosted:
    """A project on GitHub with a champion, an open issue, and the token for pull requests."""
    hosting.promoted(hosting.use_key(hosted.project), 1)
    hosting.forget_key(hosted.project)
    hosted.hub.others.add(TOKEN)
    hosted.secrets["RETRAIN_TOKEN"] = TOKEN
    issues.add(hosted.hub, title="Monitoring", labels=["governance-monitoring"])
    return hosted


def new_data(hosted: Hosted, old: str, new: str) -> None:
    """Let the source have other rows than those that main was made from."""
    hosted.edit(DATA, old, new)
    registry.save(hosted.project, "Where new rows come from")
    github_projects.meet(hosted.project, hosted.hub)


def branches(hosted: Hosted) -> set[str]:
    """What origin has."""
    origin = registry.home(hosted.project) / "origin.git"
    return set(baked.git(origin, "for-each-ref", "--format=%(refname:short)").split())


def run(hosted: Hosted) -> acting.Run:
    """Start the workflow."""
    return hosted.run("retrain.yml", GIVEN)


def test_new_data_become_a_pull_request_against_the_champion(champion: Hosted) -> None:
    # Given new rows at the source, when the workflow runs
    new_data(champion, "rows: 110000", "rows: 20000")
    done = run(champion)
    # Then every job is green
    jobs = {"preflight", "pipeline", "propose", "record"}
    assert (done.code, done.green, done.red) == (0, jobs, set()), done.tail()
    # And a pull request has what the pipeline left, and sets champion against challenger
    ((number, pull),) = champion.hub.pulls.items()
    assert (pull["head"]["ref"], pull["base"]["ref"]) == ("retrain", "main")
    assert "compared with version 1" in pull["body"]
    assert "| evaluate.roc_auc | 0." in pull["body"]
    assert "Champion&#39;s" not in pull["body"]
    origin = registry.home(champion.project) / "origin.git"
    files = set(baked.git(origin, "diff", "--name-only", "main", "retrain").split())
    assert {"dvc.lock", "reports/decision.json", "reports/evidence/evaluate.json"} <= files
    assert all(
        name.startswith(("reports/", "dvc.lock", "params.yaml", "policy.json", "code.json"))
        for name in files
    )
    # And its data and model are in the remote already: who checks it out can bring them
    clone = champion.project.path.parent / "clone"
    baked.git(clone.parent, "clone", "--quiet", "--branch", "retrain", str(origin), clone.name)
    other = baked.BakedProject(clone, champion.project.environment, champion.project.variables)
    other.run(["dvc", "pull", "--quiet"])
    assert (clone / "models" / "model.skops").is_file()
    # And it is recorded with verdict and address, told, and nothing was registered or promoted
    event = registry.ledger(champion.pulled())[-1]
    assert (event["action"], event["reason"]) == ("retrained", GIVEN["reason"])
    assert event["details"]["url"].endswith(f"/pull/{number}")
    assert pull["title"].lower().startswith(event["details"]["verdict"])
    assert event["details"]["url"] in champion.hub.comments[1][0]
    assert registry.states(champion.project) == {1: "champion"}
    # And a second run brings the same pull request up to date
    new_data(champion, "rows: 20000", "rows: 21000")
    done = run(champion)
    assert (done.code, done.red) == (0, set()), done.tail()
    assert champion.hub.pulls.keys() == {number}
    assert registry.actions(champion.pulled())[-2:] == ["retrained", "retrained"]


@pytest.mark.parametrize(
    ("new", "cause"),
    [
        (
            "rows: 20000\n  faults: [income_nulls]",
            "the pipeline stopped: validate: the data contract does not hold",
        ),
        ("rows: 110000 # as before", "the source still gives the same table as the commit"),
    ],
    ids=["contract", "nothing-new"],
)
def test_trap_33_a_retraining_that_fails_is_red_recorded_and_told(
    champion: Hosted, new: str, cause: str
) -> None:
    # Given rows that break the contract, or none that are new
    text = champion.project.read(DATA).replace("  faults: []", "  # faults:")
    champion.project.write(DATA, text)
    new_data(champion, "rows: 110000", new)
    # When the workflow runs, then it is red
    done = run(champion)
    assert (done.green, "pipeline" in done.red) == ({"preflight", "record"}, True), done.tail()
    # And nothing was proposed, the ledger has the reason, and so has the issue
    assert branches(champion) == {"main", "governance-ledger"}
    assert not champion.hub.pulls
    event = registry.ledger(champion.pulled())[-1]
    assert (event["action"], event["reason"]) == ("retraining_failed", GIVEN["reason"])
    assert cause in event["details"]["why"]
    assert cause.partition(":")[0] in champion.hub.comments[1][0]

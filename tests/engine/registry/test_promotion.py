"""Approve, promote, roll back: what moves a model, and every reason why it does not move."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import baked
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow


def test_an_approved_challenger_is_promoted_and_everything_is_recorded(
    contested: BakedProject,
) -> None:
    # Given a champion and an approved challenger, when the challenger is promoted
    contested.governance("promote")
    # Then it is champion, the one before is retired, and the ledger tells who said yes to what
    assert registry.states(contested) == {1: "retired", 2: "champion"}
    assert registry.actions(contested) == [
        *("registered 1", "approved 1", "promoted 1"),
        *("registered 2", "approved 2", "promoted 2"),
    ]
    event = registry.ledger(contested)[-1]
    assert [yes["approver"] for yes in event["approvals"]] == ["owner"]
    assert event["approvals"][0]["model"] == event["subject"]["model"]
    assert event["decision"]["verdict"] == "allow"
    assert event["subject"]["release"].startswith("sha256:")
    # And who deploys is told whether it is champion still
    assert "is champion" in contested.governance("status", "--champion", "2").stdout
    done = contested.governance("status", "--champion", "1", code=1)
    assert "version 1 is not the champion, version 2 is" in done.stderr
    # And a second time changes nothing
    done = contested.governance("promote", "2")
    assert "champion already" in done.stdout
    assert len(registry.ledger(contested)) == 6
    # And when that was wrong, then one command goes back, and says why for ever
    contested.governance("rollback", "--reason", "Complaints from customers")
    assert registry.states(contested) == {1: "champion", 2: "quarantined"}
    assert registry.ledger(contested)[-1]["reason"] == "Complaints from customers"
    # And what was rolled back from does not come back by itself, and that it did not is recorded
    done = contested.governance("rollback", "--reason", "And back again", code=None)
    registry.refused(done, "nothing to roll back to", "version 2 is quarantined")
    assert registry.states(contested) == {1: "champion", 2: "quarantined"}
    event = registry.ledger(contested)[-1]
    assert (event["action"], event["reason"]) == ("rollback_failed", "And back again")
    assert "version 2 is quarantined" in event["details"]["why"]
    assert "rollback failed" in contested.governance("ledger", "show", COLUMNS="200").stdout
    # And a rollback from a version that is not champion any more does nothing
    words = ("rollback", "--from", "2", "--reason", "The smoke test failed")
    done = contested.governance(*words, code=None)
    registry.refused(
        done, "version 2 is not the champion (version 1 is), so nothing was rolled back"
    )
    assert len(registry.ledger(contested)) == 8
    # And where the one that is champion again could not be deployed, then just that is recorded
    words = ("rollback", "--reason", "Complaints from customers", "--failed", "deploy failure")
    done = contested.governance(*words, "--from", "2", code=None)
    registry.refused(done, "version 2 is not the champion")
    done = contested.governance(*words, "--from", "1", code=None)
    registry.refused(done, "version 1 is champion again but not in production: deploy failure")
    assert registry.states(contested) == {1: "champion", 2: "quarantined"}
    (event,) = registry.ledger(contested)[8:]
    assert (event["action"], event["version"]) == ("rollback_failed", 1)
    assert (event["reason"], "deploy failure" in event["details"]["why"]) == (words[2], True)


@pytest.mark.parametrize(
    ("command", "causes"),
    [
        (["promote", "1"], ["version 1 is pending review", "only a version that is approved"]),
        (["rollback", "--reason", "It is wrong"], ["no champion to roll back from"]),
        (["rollback", "--reason", "wrong"], ["needs a reason"]),
        (["promote", "7"], ["the ledger has no version 7"]),
    ],
    ids=["unapproved", "no-champion", "no-reason", "unknown"],
)
def test_a_pending_version_is_not_promoted(
    registered: BakedProject, command: list[str], causes: list[str]
) -> None:
    # Given a version that nobody approved, when somebody moves it all the same
    done = registered.governance(*command, code=None)
    # Then it is refused, and nothing is recorded
    registry.refused(done, *causes, code=2 if "needs a reason" in causes else 1)
    assert registry.actions(registered) == ["registered 1"]


@pytest.mark.nightly
def test_a_rejected_or_quarantined_version_stays_so(contested: BakedProject) -> None:
    # Given an approved challenger that somebody then rejects
    contested.governance("reject", "2", "--reason", "The data are too old")
    # When it is approved or promoted, then both are refused
    registry.refused(contested.governance("promote", "2", code=None), "version 2 is rejected")
    assert "version 2 is rejected" in registry.approve(contested, 2, code=1)
    done = contested.governance("reject", "2", "--reason", "Again", code=None)
    registry.refused(done, "version 2 is rejected")
    # And a champion can be neither rejected nor approved, only rolled back
    done = contested.governance("reject", "1", "--reason", "Enough of it", code=None)
    registry.refused(done, "version 1 is champion")
    assert "version 1 is champion" in registry.approve(contested, 1, code=1)
    # And a rollback goes only to what was champion before
    done = contested.governance("rollback", "--reason", "Try this one", "--to", "2", code=None)
    registry.refused(done, "version 2 is rejected: only a version that is retired")
    assert registry.states(contested) == {1: "champion", 2: "rejected"}


@pytest.mark.nightly
def test_trap_28_a_challenger_compared_with_another_champion_must_register_again(
    contested: BakedProject,
) -> None:
    # Given a challenger that was compared with version 1, when version 1 is no champion any more
    registry.another_model(contested, "0.3")
    contested.governance("register")
    registry.approve(contested, 3)
    contested.governance("promote", "2")
    # Then version 3 is refused: nobody knows whether it is better than version 2
    done = contested.governance("promote", "3", code=None)
    registry.refused(done, "version 3 was compared with", "register the model again")


def test_a_policy_that_changed_since_voids_the_approval(contested: BakedProject) -> None:
    # Given an approved challenger, when the policy on the protected branch gets stricter
    policy = contested.read("conf/policy/base.yaml")
    assert registry.LIMIT in policy
    strict = policy.replace(registry.LIMIT, registry.STRICT)
    contested.write("conf/policy/base.yaml", strict)
    registry.save(contested, "Stricter", author="Risk <risk@example.org>")
    # Then today's policy denies it, with the rule's reason
    done = contested.governance("promote", code=None)
    registry.refused(done, "denied under today's policy", "evaluate.roc_auc", "0.94 allowed")
    assert "evaluate.roc_auc" in registry.approve(contested, 2, code=1)
    # And where the new policy allows it, the old approval still does not count
    contested.write("conf/policy/base.yaml", policy.replace("warn: 0.70", "warn: 0.71"))
    registry.save(contested, "Another", author="Risk <risk@example.org>")
    done = contested.governance("promote", code=None)
    registry.refused(done, "still needs approval by model-owner", "it is for another policy")
    # And an approval under that policy does
    registry.approve(contested, 2)
    contested.governance("promote")
    assert registry.states(contested)[2] == "champion"


def test_a_policy_in_the_callers_own_branch_counts_for_nothing(contested: BakedProject) -> None:
    # Given a caller who loosens the policy on a branch and in the tree
    baked.git(contested.path, "switch", "--quiet", "--create", "mine")
    policy = contested.read("conf/policy/base.yaml")
    none = policy.replace("valid_days: 60", "valid_days: 6000")
    contested.write("conf/policy/base.yaml", none)
    baked.commit_all(contested.path, "Mine")
    # When the challenger is promoted, then it is judged by the protected branch's
    contested.governance("promote")
    before, event = registry.ledger(contested)[-2:]
    assert event["subject"]["policy"] == before["subject"]["policy"]


def test_a_commit_that_is_not_on_the_protected_branch_is_not_promoted(
    contested: BakedProject,
) -> None:
    # Given a version of a commit that the remote's protected branch does not have any more
    baked.git(contested.path, "push", "--quiet", "--force", "origin", "HEAD~1:main")
    done = contested.governance("promote", code=None)
    # Then it is refused
    registry.refused(done, "is not on main")


def test_the_release_is_sealed_in_the_registry(contested: BakedProject) -> None:
    # Given a promotion, when the release that its event names is looked up in the registry
    contested.governance("promote")
    event = registry.ledger(contested)[-1]
    script = (
        "import json; run = client.get_model_version(name, '2').run_id\n"
        "folder = Path(client.download_artifacts(run, 'releases'))\n"
        "from governed_ml.core.files import digest_of\n"
        "values = [json.loads(path.read_text('utf-8')) for path in folder.glob('*/release.json')]\n"
        "print(json.dumps([[digest_of(one), one] for one in values]))\n"
    )
    [[digest, release]] = json.loads(registry.python(contested, script))
    # Then it is there, with card, decision, approvals and digests
    assert digest == event["subject"]["release"]
    assert release["statement"]["model"] == event["subject"]["model"]
    assert release["decision"]["verdict"] == "allow"
    assert release["card"]["model_digest"] == event["subject"]["model"]
    assert [yes["approver"] for yes in release["approvals"]] == ["owner"]


def webhook(project: BakedProject, url: str) -> BakedProject:
    """Configure a webhook by a variable, on the protected branch."""
    text = project.read("conf/config.yaml")
    assert "  url: null\n" in text
    project.write("conf/config.yaml", text.replace("url: null", "url: env:HOOK"))
    registry.save(project, "Tell people", author="Risk <risk@example.org>")
    return replace(project, variables=project.variables | {"HOOK": url, "NO_PROXY": "127.0.0.1"})


@pytest.mark.nightly
def test_the_webhook_receives_promotions_and_rollbacks(contested: BakedProject) -> None:
    # Given a webhook, when the challenger is promoted and rolled back
    with receiver() as (url, received):
        project = webhook(contested, url)
        project.governance("promote")
        project.governance("rollback", "--reason", "Complaints from customers")
        done = project.governance("rollback", "--reason", "Once more back", code=None)
        assert done.returncode == 1
    # Then all were told, with version, actor, digests and reason, also that the second failed
    told = [json.loads(body) for body in received]
    assert [(one["action"], one["version"]) for one in told] == [
        ("promoted", 2),
        ("rolled_back", 1),
        ("rollback_failed", 1),
    ]
    assert told[0]["verdict"] == "allow"
    assert told[0]["actor"] == "author@example.org"
    assert told[1]["reason"] == "Complaints from customers"
    assert told[1]["digests"]["model"] == registry.ledger(project)[0]["subject"]["model"]


@pytest.mark.nightly
def test_trap_33_a_lost_message_is_seen_and_recorded_and_the_state_has_moved(
    contested: BakedProject,
) -> None:
    # Given a webhook that nobody answers
    with receiver() as (url, _):
        pass
    project = webhook(contested, url)
    # When the challenger is promoted, then the command fails, and says that it is champion
    done = project.governance("promote", code=None)
    registry.refused(
        done, "promoted is recorded, but http://127.0.0.1", "notify people yourself", code=2
    )
    assert registry.states(project) == {1: "retired", 2: "champion"}
    # And the ledger has the failure
    event = registry.ledger(project)[-1]
    assert event["action"] == "notification_lost"
    assert event["details"]["event"] == event["sequence"] - 1
    # And a variable that is not set stops a rollback before anything has moved
    unset = replace(project, variables=project.variables | {"HOOK": ""})
    done = unset.governance("rollback", "--reason", "It is wrong", code=None)
    registry.refused(done, "the environment variable HOOK is not set", code=2)
    assert registry.states(project) == {1: "retired", 2: "champion"}


@contextmanager
def receiver() -> Generator[tuple[str, list[bytes]]]:
    """A webhook that keeps what it gets."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()

"""Who may push to the ledger or write to MLflow stops nobody: what was not allowed is void."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import baked
import pytest
import registry
from baked import BakedProject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governed_ml.core.repository import last_protected
from governed_ml.ledger import storage
from governed_ml.ledger.events import Entry, Event
from governed_ml.ledger.protected_history import steps
from governed_ml.ledger.rules_in_force import rules_of
from governed_ml.registry.counted_events import follow

pytestmark = pytest.mark.slow

LEDGER = "refs/heads/governance-ledger"
RISK = "Risk <risk@example.org>"


def write(project: BakedProject, action: Any, **fields: Any) -> Entry:
    """Append an event without the command line, as somebody does who may push, and push it."""
    with project.inside():
        entry = storage.append(project.path, action, **fields)
    baked.git(project.path, "push", "--quiet", "origin", LEDGER)
    return entry


def in_mlflow(project: BakedProject, change: Callable[[Any, str], object]) -> None:
    """Do something in MLflow without the command line."""
    with project.inside():
        from mlflow.tracking import MlflowClient

        from governed_ml.registry.versions import Registry, model_name

        name = Registry(model_name(project.path)).name
        change(MlflowClient(), name)


def events(project: BakedProject) -> list[Entry]:
    """The ledger's entries."""
    return storage.read(project.path)


def predicts(project: BakedProject) -> str:
    """Assert that the champion predicts; return which version it said it was, and its notes."""
    rows, out = str(project.path / "data" / "raw.parquet"), str(registry.home(project) / "out.csv")
    done = project.call("predict", rows, "--output", out, code=None)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def one_line(text: str) -> str:
    """A screen's text in one line."""
    return " ".join(text.split())


def status(project: BakedProject, code: int) -> tuple[list[str], dict[int, str]]:
    """What differs, and the state of each version."""
    import json

    found = json.loads(project.call("status", "--json", code=code).stdout)
    return found["differences"], {row["version"]: row["state"] for row in found["rows"]}


def is_named(project: BakedProject, cause: str) -> None:
    """Assert that everybody who looks is told of a void event."""
    differences, _ = status(project, 1)
    assert any(" is void: " in line and cause in line for line in differences), differences
    for words, code in (("verify",), 1), (("show",), 0):
        said = project.call("ledger", *words, code=code).stdout
        assert cause in one_line(said)


def is_recovered(project: BakedProject, cause: str) -> None:
    """Assert that one command ends the alarm, and that the event stays named."""
    project.call("reconcile", "--apply")
    differences, _ = status(project, 0)
    assert differences == []
    assert cause in one_line(project.call("status").stdout)
    assert cause in one_line(project.call("ledger", "verify").stdout)


def test_an_illegal_event_does_not_stop_predictions_or_commands(contested: BakedProject) -> None:
    # Given a champion and an approved challenger, and an illegal event that somebody pushed
    subject = events(contested)[0].event.subject
    write(contested, "registered", version=1, subject=subject)
    cause = "it is illegal: version 1 is champion: only a version that is new can be registered"
    # When anybody looks, then it is named, and the champion predicts
    is_named(contested, cause)
    predicts(contested)
    # And one command makes it known, after which all goes on
    is_recovered(contested, cause)
    contested.call("promote")
    assert status(contested, 0)[1] == {1: "retired", 2: "champion"}


@pytest.mark.nightly
def test_an_unapproved_promotion_does_not_change_the_champion(contested: BakedProject) -> None:
    # Given a ledger to which somebody pushed a promotion of version 2 without an approval
    entries = events(contested)
    subject = next(one.event.subject for one in entries if one.event.version == 2)
    main = baked.git(contested.path, "rev-parse", "main")
    write(contested, "promoted", version=2, subject=subject, details={"protected": main, "from": 1})
    # When anybody looks, then it is void, and the champion is who it was
    is_named(contested, "version 2 cannot be champion: nobody approved it as model-owner")
    assert status(contested, 1)[1] == {1: "champion", 2: "approved"}
    predicts(contested)


@pytest.mark.nightly
def test_an_unsigned_event_after_signed_ones_is_void_and_stops_nothing(
    contested: BakedProject,
) -> None:
    # Given a ledger whose last event a listed key signed
    registry.sign_events(contested, "ci")
    contested.call("reject", "2", "--reason", "It is worse")
    # When somebody appends an event without a key
    baked.git(contested.path, "config", "--unset", "gpg.format")
    write(contested, "reconciled", reason="by hand")
    # Then it is void and named, and the champion predicts
    cause = "it is unsigned, but an earlier event is signed"
    is_named(contested, cause)
    predicts(contested)
    # And who has no key writes nothing, and is told how to sign
    done = contested.call("reconcile", "--apply", code=1)
    assert "git config gpg.format ssh" in done.stderr
    # And who has a key goes on
    baked.git(contested.path, "config", "gpg.format", "ssh")
    is_recovered(contested, cause)


@pytest.mark.nightly
def test_an_invalid_commit_in_the_ledger_stops_no_prediction_and_reconcile_removes_it(
    contested: BakedProject,
) -> None:
    # Given a remote to whose ledger somebody pushed a commit that is no event
    last = events(contested)[-1].commit
    tree = baked.git(contested.path, "rev-parse", f"{last}^{{tree}}")
    oops = baked.git(contested.path, "commit-tree", "-p", last, "-m", "oops", tree)
    baked.git(contested.path, "push", "--quiet", "origin", f"{oops}:{LEDGER}")
    # When anybody looks, then it is named, and the champion predicts
    cause = "origin's ledger is broken at event 6"
    assert any(cause in line for line in status(contested, 1)[0])
    assert cause in predicts(contested)
    # And nothing is written until one command has taken it off
    assert "reconcile --apply" in contested.call("promote", code=1).stderr
    contested.call("reconcile", "--apply")
    contested.call("promote")
    assert status(contested, 0) == ([], {1: "retired", 2: "champion"})


@pytest.mark.nightly
@pytest.mark.parametrize(
    "registered_once", ["sqlite"], indirect=True
)  # a server takes no such source
def test_an_anchor_on_an_unknown_version_stops_nothing(contested: BakedProject) -> None:
    # Given a version in MLflow of which the ledger knows nothing, with a tag that names an event
    def strange(client: Any, name: str) -> None:
        made = client.create_model_version(name, "nowhere")
        client.set_model_version_tag(name, made.version, "ledger_head", f"99 {'a' * 40}")

    in_mlflow(contested, strange)
    # When anybody looks, then the version is named, and all goes on
    differences, _ = status(contested, 1)
    assert any("version 3 is not in the ledger" in line for line in differences)
    predicts(contested)
    contested.call("promote")
    # And one command ends the alarm
    contested.call("reconcile", "--apply")
    assert status(contested, 0) == ([], {1: "retired", 2: "champion"})


@pytest.mark.nightly
def test_a_version_deleted_in_mlflow_stops_nothing(contested: BakedProject) -> None:
    # Given a champion that somebody deleted in MLflow, whose files are still there
    in_mlflow(contested, lambda client, name: client.delete_model_version(name, "1"))
    # When anybody looks, then it is named, and it predicts all the same
    assert any("version 1 is gone from the registry" in line for line in status(contested, 1)[0])
    assert "note: version 1 is gone from the registry" in predicts(contested)
    # And one command makes it known, after which all goes on
    contested.call("reconcile", "--apply")
    assert status(contested, 0)[0] == []
    assert "version 1 is gone from the registry" in one_line(contested.call("status").stdout)
    contested.call("promote")
    assert status(contested, 0)[1] == {1: "retired", 2: "champion"}


def old_rules(project: BakedProject, action: str, version: int, old: str) -> Entry:
    """Write by hand what would have been right by the rules of an old commit of `main`."""
    entries = [one.event for one in events(project)]
    registered = next(
        one for one in entries if (one.action, one.version) == ("registered", version)
    )
    given = [one.approvals for one in entries if (one.action, one.version) == ("approved", version)]
    with project.inside():
        policy = rules_of(project.path, old).policy_digest
    return write(
        project,
        action,
        version=version,
        subject=registered.subject | {"policy": policy},
        approvals=given[-1] if action == "promoted" else [],
        reason="It was wrong",
        details={"from": 1 if action == "promoted" else 2, "protected": old, "missing": []},
    )


def stricter(project: BakedProject) -> None:
    """Make the policy on `main` stricter than any model here."""
    project.write(
        "conf/policy/base.yaml",
        project.read("conf/policy/base.yaml").replace(registry.LIMIT, registry.STRICT),
    )
    registry.save(project, "Stricter", author=RISK)


def without_owner(project: BakedProject) -> None:
    """Take the approver off the list on `main`."""
    people = [one for one in registry.approvers(project)["people"] if one["name"] != "owner"]
    registry.approvers(project, people=people)
    registry.save(project, "The owner has left", author=RISK)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (stricter, "version 2 cannot be champion: its policy is not the policy of main at "),
        (without_owner, "does not list the approver"),
    ],
)
def test_trap_48_a_promotion_by_the_rules_of_an_old_commit_is_void(
    contested: BakedProject, change: Callable[[BakedProject], None], cause: str
) -> None:
    # Given rules on `main` that changed since version 2 was approved
    old = baked.git(contested.path, "rev-parse", "main")
    change(contested)
    later(contested)
    # When somebody writes by hand that it was promoted, by the rules of before
    old_rules(contested, "promoted", 2, old)
    # Then that is void, and the champion is who it was
    is_named(contested, cause)
    assert status(contested, 1)[1] == {1: "champion", 2: "approved"}
    predicts(contested)


def later(project: BakedProject) -> None:
    """Wait until the protected branch's last commit is of an earlier second."""
    import time

    seconds = int(baked.git(project.path, "log", "-1", "--format=%ct", "main"))
    while int(time.time()) <= seconds:
        time.sleep(0.05)


@pytest.mark.nightly
def test_trap_48_a_rollback_by_the_rules_of_an_old_commit_is_void(
    contested: BakedProject,
) -> None:
    # Given an earlier champion, and a policy that denies it since
    contested.call("promote")
    old = baked.git(contested.path, "rev-parse", "main")
    stricter(contested)
    later(contested)
    # When somebody writes by hand that it was rolled back to, by the rules of before
    old_rules(contested, "rolled_back", 1, old)
    is_named(contested, "its policy is not the policy of main at ")
    # Or by the rules of today, which nobody judged it by
    old_rules(contested, "rolled_back", 1, baked.git(contested.path, "rev-parse", "main"))
    is_recovered_from = "version 1 cannot be champion: the policy of main at "
    assert any(is_recovered_from in line for line in status(contested, 1)[0])
    # Then the champion is who it was, though today's policy denies it, too: it was promoted before
    assert status(contested, 1)[1] == {1: "retired", 2: "champion"}
    predicts(contested)


@pytest.mark.nightly
def test_a_legal_event_stays_legal_after_later_changes(contested: BakedProject) -> None:
    # Given a champion, when later its approver leaves, the policy gets stricter, and a key that
    # signs events is listed, with no first day, and removed again
    stricter(contested)
    without_owner(contested)
    registry.sign_events(contested, "ci")
    registry.approvers(contested, ledger=[{"name": "ci", "key": key(contested, "ci")}])
    registry.save(contested, "No first day", author=RISK)
    registry.approvers(contested, ledger=[])
    registry.save(contested, "No key", author=RISK)
    # Then no event is void, and the champion predicts
    assert status(contested, 0) == ([], {1: "champion", 2: "approved"})
    predicts(contested)


def key(project: BakedProject, name: str) -> str:
    """The public half of a key."""
    path = registry.home(project) / "keys" / f"{name}.pub"
    return path.read_text(encoding="utf-8").strip()


@pytest.mark.nightly
def test_an_event_of_the_future_is_refused_and_void(contested: BakedProject) -> None:
    # Given a machine whose clock is a year ahead
    ahead = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = [one.commit for one in events(contested)]
    with mock.patch.object(storage, "now", return_value=ahead):
        # When it records something, then that is refused
        done = contested.call("reject", "2", "--reason", "It is worse", code=2)
        assert f"no event was written: it is dated {ahead}, in the future" in done.stderr
        assert [one.commit for one in events(contested)] == before
        # When it is made to write all the same
        with mock.patch.object(storage, "future", return_value=None):
            write(contested, "rejected", version=2, reason="It is worse")
    # Then the event is void, and the next one is of today
    cause = f"it is dated {ahead}, in the future"
    is_named(contested, cause)
    is_recovered(contested, cause)
    contested.call("promote")
    assert status(contested, 0)[1] == {1: "retired", 2: "champion"}
    assert events(contested)[-1].event.moment < datetime.now(UTC) + timedelta(minutes=1)


def test_every_clone_finds_the_same_events_void(contested: BakedProject) -> None:
    # Given a champion and an approved challenger, when somebody pushes one forgery after another
    entries = events(contested)
    subject = next(one.event.subject for one in entries if one.event.version == 2)
    main = baked.git(contested.path, "rev-parse", "main")
    named = {"protected": main, "from": 1}
    yes = next(one.event.approvals for one in entries[::-1] if one.event.action == "approved")
    ahead = (datetime.now(UTC) + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    write(contested, "registered", version=1, subject=subject)
    write(contested, "registered", version=7, subject={"model": "sha256:7"})
    write(contested, "promoted", version=2, subject=subject, details=named)
    write(contested, "approved", version=2, subject=subject, approvals=yes)
    write(contested, "approved", version=2, subject=subject, approvals=[{"approver": "owner"}])
    write(contested, "rolled_back", version=2, subject=subject, reason="It was wrong")
    write(contested, "monitored", version=1, subject=subject, details={"level": "healthy"})
    with (
        mock.patch.object(storage, "now", return_value=ahead),
        mock.patch.object(storage, "future", return_value=None),
    ):
        write(contested, "rejected", version=2, reason="It is worse")
    stricter(contested)
    later(contested)
    old_rules(contested, "promoted", 2, main)
    # Then each is void for its own reason, and every version is what it was
    with contested.inside():
        life = follow(contested.path)
    causes = (
        "it is illegal: version 1 is champion",
        "it registers a version and names no name",
        "version 2 cannot be champion: nobody approved it as model-owner",
        "it repeats an approval",
        "it holds an invalid approval",
        "it is illegal: version 2 is approved: only a version that is retired can be rolled back",
        "it does not hold a valid window",
        "in the future",
        "version 2 cannot be champion: its policy is not the policy of main at ",
    )
    found = [one.why for one in life.void]
    assert [cause in why for cause, why in zip(causes, found, strict=True)] == [True] * len(causes)
    assert {n: one.state for n, one in life.versions.items()} == {1: "champion", 2: "approved"}


ACTIONS = ("registered", "quarantined", "approved", "promoted", "rolled_back", "monitored",
           "rollback_failed", "reconciled", "retrained")  # fmt: skip
WORDS = st.none() | st.text(max_size=4) | st.integers(-2, 9) | st.lists(st.integers(), max_size=2)


@st.composite
def junk(draw: st.DrawFn, real: list[Event], commits: list[str]) -> dict[str, Any]:
    """An event of any kind, made of what real events are made of."""
    one = draw(st.sampled_from(real))
    subject = dict(draw(st.sampled_from([one.subject, {}, {"commit": "--output=x", "name": "x"}])))
    subject |= draw(st.dictionaries(st.sampled_from(["model", "policy"]), st.text(max_size=3)))
    keys = st.sampled_from(["from", "missing", "window", "level", "void", "gone"])
    details = dict(draw(st.sampled_from([one.details, {}]))) | draw(st.dictionaries(keys, WORDS))
    if draw(st.booleans()):
        details["protected"] = draw(st.sampled_from([*commits, "", "HEAD", "a" * 40]))
    action = draw(st.sampled_from(ACTIONS))
    given = [] if action == "promoted" else one.approvals  # with real ones it would be no junk
    approvals = st.sampled_from([[], given, [*given, {}], [{"approver": "owner"}]])
    return {
        "action": action,
        "version": draw(st.none() | st.sampled_from([0, 1, 1, 2, 2, 7])),
        "subject": subject,
        "details": details,
        "approvals": draw(approvals),
        "reason": draw(st.sampled_from(["", "It was wrong"])),
        "time": draw(st.sampled_from([one.time, "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"])),
    }


def test_illegal_events_do_not_change_the_state_of_versions(contested: BakedProject) -> None:
    # Given a ledger with a champion and an approved challenger
    with contested.inside():
        base = contested.path
        entries = storage.read(base)
        commits = [one.commit for one in steps(base, last_protected(base))]
        before = follow(base, entries)
        assert before.void == []

        @settings(
            max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(st.lists(junk([one.event for one in entries], commits), min_size=1, max_size=5))
        def append(events: list[dict[str, Any]]) -> None:
            # When any well-formed events are appended to it
            chain = list(entries)
            for values in events:
                last = chain[-1].event
                one = Event(sequence=last.sequence + 1, actor="x", previous=last.digest(), **values)
                chain.append(Entry(one.digest().removeprefix("sha256:")[:40], one, signed=False))
            found = follow(base, chain)
            # Then no legal event is void, and each version is in the state that it was in
            assert found.counted[: len(entries)] == entries
            assert {n: found.versions[n].state for n in before.versions} == {
                n: one.state for n, one in before.versions.items()
            }
            assert found.champions == before.champions

        append()

"""Approvals: who may say yes, to what, for how long, and every yes that counts for nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import baked
import pytest
import registry
from baked import BakedProject
from github_stand_in import GitHubStandIn
from hypothesis import given, settings
from hypothesis import strategies as st

from governed_ml.core import config
from governed_ml.core.problem import Problem
from governed_ml.ledger import approvers
from governed_ml.ledger.signatures import Signature, Signer
from governed_ml.registry.approval import approvals

SUBJECT = {
    "name": "credit",
    "commit": "c" * 40,
    "model": "sha256:model",
    "data": "sha256:data",
    "policy": "sha256:policy",
    "decision": "sha256:decision",
}
HIGH = config.Approvals(roles=["model-owner", "risk-owner"], valid_days=30)


def version(**event: Any) -> Any:
    """A version that was registered yesterday by somebody who approves nothing."""
    values = {"time": ago(1), "actor": "robot@example.org"} | event
    values["moment"] = datetime.fromisoformat(values["time"])
    entry = SimpleNamespace(event=SimpleNamespace(**values), commit="e" * 40)
    return SimpleNamespace(number=3, subject=SUBJECT, entries=[entry])


def ago(days: float) -> str:
    """A moment in the past, as events have it."""
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SSH keys of two people."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("olga", "rita"):
        registry.ssh_key(folder / name)
    return folder


def people(keys: Path, **changes: Any) -> Any:
    """The file of approvers: Olga owns the model, Rita the risk."""
    listed = [
        {"name": "olga", "roles": ["model-owner"], "emails": ["Olga@example.org"]},
        {"name": "rita", "roles": ["risk-owner"], "emails": ["rita@example.org"], "github": "Rita"},
    ]
    for person in listed:
        public = (keys / f"{person['name']}.pub").read_text(encoding="utf-8")
        person["keys"] = [{"key": public} | changes.get("key", {})]
        person |= changes.get(person["name"], {})
    return approvers.Approvers.model_validate({"people": listed})


def yes(keys: Path, key: str = "olga", **changes: Any) -> Any:
    """Olga's signed approval, but for the changes (signed, too)."""
    subject = {name: SUBJECT[name] for name in ("name", "commit", "model", "data", "policy")}
    values = subject | {
        "version": 3,
        "approver": "olga",
        "roles": ["model-owner"],
        "source": "ssh",
        "time": ago(0),
    }
    return approvals.sign(approvals.Approval.model_validate(values | changes), keys / key)


def refused(approval: Any, listed: Any, own: set[str] | None = None, **event: Any) -> str:
    """Why an approval does not count under a policy that wants two."""
    known = SimpleNamespace(**vars(version(**event)))
    moment = datetime.now(UTC)
    return approvals.refused(approval, known, SUBJECT["policy"], listed, HIGH, own or set(), moment)


def test_a_signed_yes_by_who_is_listed_counts(keys: Path) -> None:
    # Given Olga's approval, signed with her key, when it is looked at, then it counts
    assert refused(yes(keys), people(keys)) == ""


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"commit": "d" * 40}, "it is for another commit"),
        ({"model": "sha256:other"}, "it is for another model"),
        ({"data": "sha256:other"}, "it is for another data"),
        ({"policy": "sha256:other"}, "it is for another policy"),
        ({"name": "pricing"}, "it is for another name"),
        ({"version": 2}, "it is for version 2"),
        ({"approver": "nobody"}, "does not list the approver"),
        ({"roles": ["risk-owner"]}, "has not the role risk-owner"),
        ({"roles": ["model-owner", "risk-owner"]}, "has not the role risk-owner"),
        ({"time": ago(-1)}, "from the future"),
        ({"time": ago(2)}, "older than the registration"),
    ],
)
def test_trap_34_an_approval_binds_what_it_was_given_for(
    keys: Path, changes: dict[str, Any], cause: str
) -> None:
    # Given an approval that is properly signed, but for something else, by somebody else, at a
    # time that cannot be, when it is looked at, then it counts for nothing, and says why
    assert cause in refused(yes(keys, **changes), people(keys))


def test_an_approval_lasts_as_long_as_the_policy_says(keys: Path) -> None:
    # Given approvals of 29 and 31 days ago under a policy of 30 days, for an older registration
    assert refused(yes(keys, time=ago(29)), people(keys), time=ago(60)) == ""
    assert "it expired" in refused(yes(keys, time=ago(31)), people(keys), time=ago(60))


@pytest.mark.parametrize(
    "text",
    ["yesterday", "", "2026-13-45T00:00:00Z", "2026-1-2T3:4:5Z", "2026-01-02T03:04:05+00:00"],
)
def test_trap_50_an_approval_at_no_moment_is_none(keys: Path, text: str) -> None:
    # Given an approval that is recorded with a time that is none, or that sorts as another one
    values = yes(keys).model_dump(mode="json") | {"time": text}
    known = version(action="approved", approvals=[values], sequence=2)
    # When the version's approvals are read, then the event is named
    with pytest.raises(Problem, match="event 2 holds no approval"):
        approvals.given(known)


@pytest.mark.parametrize(
    ("listed", "said", "expected"),
    [
        ([{"name": "rita", "key": "olga"}], Signature("good", "rita"), {"olga", "rita"}),
        ([{"name": "ci", "key": "olga"}], Signature("good", "ci"), {"olga"}),
        ([{"name": "ci", "key": "robot"}], Signature("good", "ci"), set()),
        ([], "olga", {"olga"}),
        ([], Signature("unsigned"), set()),
    ],
    ids=["name", "key", "robot", "unlisted", "unsigned"],
)
def test_trap_02_who_signed_the_registration_is_barred_whatever_name_it_gives(
    keys: Path,
    monkeypatch: pytest.MonkeyPatch,
    listed: list[dict[str, str]],
    said: Any,
    expected: set[str],
) -> None:
    # Given a registration in the name of a robot, as a variable said, and whose key signed it
    public = {name: (keys / f"{name}.pub").read_text("utf-8") for name in ("olga", "rita")}
    public["robot"] = f"ssh-ed25519 {'A' * 68}"
    found = people(keys)
    recorders = [{"name": one["name"], "key": public[one["key"]]} for one in listed]
    values = found.model_dump() | {"ledger": recorders}
    found = approvers.Approvers.model_validate(values)
    if isinstance(said, str):
        said = Signature("unlisted", Signer("", public[said]).fingerprint)
    monkeypatch.setattr(approvals, "git", lambda *_: "false")
    monkeypatch.setattr(approvals, "written_by", lambda *_: set())
    monkeypatch.setattr(approvals, "signatures", lambda *_: {"e" * 40: said})
    monkeypatch.setattr(approvals, "signers", lambda *_: [])
    # When it is asked whose approval counts for nothing, then the key's owner is among them
    own = approvals.barred(Path(), version(), None, found, "f" * 40)
    assert own & {"olga@example.org", "rita@example.org"} == {
        f"{one}@example.org" for one in expected
    }
    assert "robot@example.org" in own


@pytest.mark.parametrize("own", ["olga@example.org", "OLGA@example.org".lower()])
def test_trap_02_nobody_approves_own_work(keys: Path, own: str) -> None:
    # Given an approver among the authors, when her approval is looked at, then it does not count
    assert "is an author" in refused(yes(keys), people(keys), {own})
    # Nor does that of somebody whose account at GitHub registered it
    rita = yes(keys, "rita", approver="rita", roles=["risk-owner"])
    assert "is an author" in refused(rita, people(keys), {"rita"})


@pytest.mark.parametrize(
    ("key", "counts"),
    [
        ({"until": date.today().isoformat()}, False),  # noqa: DTZ011 - days, not moments
        ({"until": "2999-01-01"}, True),
        ({"since": "2999-01-01"}, False),
        ({"since": "2020-01-01"}, True),
    ],
    ids=["revoked-today", "not-yet-revoked", "not-yet-valid", "valid"],
)
def test_a_revoked_key_takes_its_approvals_with_it(
    keys: Path, key: dict[str, str], counts: bool
) -> None:
    # Given an approval signed with a key of which the file says from when until when it counts
    why = refused(yes(keys), people(keys, key=key))
    # Then it counts in these days only
    assert (why == "") == counts
    assert counts or "no key that the approver has today signed it" in why


def test_a_signature_by_another_key_or_over_other_words_is_none(keys: Path) -> None:
    cause = "no key that the approver has today signed it"
    # Given Olga's approval signed by Rita, unsigned, or changed after she signed it
    assert cause in refused(yes(keys, key="rita"), people(keys))
    assert cause in refused(yes(keys).model_copy(update={"signature": ""}), people(keys))
    assert cause in refused(yes(keys).model_copy(update={"comment": "All fine"}), people(keys))
    # Or one that she made for another purpose with the same key: then none counts
    text = yes(keys).signed_text()
    command = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(keys / "olga")]
    made = subprocess.run(command, input=text, capture_output=True, check=True).stdout.decode()
    assert cause in refused(yes(keys).model_copy(update={"signature": made}), people(keys))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"rita": {"name": "olga"}}, "the name olga is there twice"),
        ({"rita": {"emails": ["OLGA@example.org"]}}, "olga@example.org is there twice"),
        ({"olga": {"github": "rita"}}, "the GitHub account rita is there twice"),
    ],
)
def test_one_person_cannot_be_listed_as_two(
    keys: Path, changes: dict[str, Any], cause: str
) -> None:
    # Given a file in which two entries are one person, when it is read, then it is refused
    with pytest.raises(ValueError, match=cause):
        people(keys, **changes)
    public = (keys / "olga.pub").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="the key ssh-ed25519"):
        people(keys, rita={"keys": [{"key": f"{public.strip()} another comment"}]})


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.lists(st.sampled_from(["model-owner", "risk-owner", "legal"]), min_size=1, unique=True),
    ),
    max_size=5,
    unique_by=lambda person: person[0],
)
WANTED = st.lists(st.sampled_from(["model-owner", "risk-owner", "legal"]), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(PEOPLE, WANTED)
def test_each_role_needs_a_person_of_its_own(
    given_by: list[tuple[str, list[str]]], wanted: list[str]
) -> None:
    # Given people with roles, when roles are filled, then nobody fills two, and as few as can be
    # are left over: the same as by trying every order of people
    good = [SimpleNamespace(approver=name, roles=roles) for name, roles in given_by]
    policy = config.Approvals(roles=wanted, valid_days=1)
    filled = max(
        (
            sum(role in person.roles for role, person in zip(wanted, order, strict=False))
            for order in permutations([*good, *[SimpleNamespace(roles=[])] * len(wanted)])
        ),
        default=0,
    )
    assert len(approvals.missing(policy, good)) == len(wanted) - filled


@pytest.mark.slow
def test_the_author_may_not_approve_and_another_may(registered: BakedProject) -> None:
    # Given a version whose commits are by the author, who holds the role
    said = registry.approve(registered, 1, "author", code=1)
    # Then the author's own yes is not even recorded
    assert "the approver is an author of what is to be approved" in said
    # Nor that of one whose role the policy does not ask for, nor that of a stranger
    assert "the policy wants model-owner" in registry.approve(registered, 1, "risk", code=1)
    keys = registry.home(registered) / "keys"
    done = registered.governance(
        *("approve", "1", "--as", "stranger", "--key", str(keys / "owner")), code=None
    )
    registry.refused(done, "lists no 'stranger'")
    # Nor one with a key that is not that person's
    done = registered.governance(
        *("approve", "1", "--as", "owner", "--key", str(keys / "risk")), code=None
    )
    registry.refused(done, "no key that the approver has today signed it")
    assert registry.actions(registered) == ["registered 1"]
    # And the owner's yes is
    assert "approved" in registry.approve(registered, 1)
    assert registry.states(registered) == {1: "approved"}


@pytest.mark.slow
def test_a_role_claimed_in_the_callers_own_branch_is_none(registered: BakedProject) -> None:
    # Given a caller who gives the stranger's key a role on a branch, and on the local `main`
    keys = registry.home(registered) / "keys"
    stranger = {
        "name": "stranger",
        "roles": ["model-owner"],
        "emails": ["stranger@example.org"],
        "keys": [{"key": registry.ssh_key(keys / "stranger")}],
    }
    listed = json.loads(registered.read(registry.APPROVERS))["people"]
    registry.approvers(registered, people=[*listed, stranger])
    baked.commit_all(registered.path, "A role for me")
    baked.git(registered.path, "update-ref", "refs/remotes/origin/main", "HEAD")
    baked.git(registered.path, "update-ref", "refs/governance/protected", "HEAD")
    # When the stranger approves, then the remote's protected branch knows no such person
    assert "lists no 'stranger'" in registry.approve(registered, 1, "stranger", code=1)


def revoke(project: BakedProject) -> None:
    """Take the owner's key back, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    found[0]["keys"][0]["until"] = "2026-01-01"
    registry.approvers(project, people=found)


def demote(project: BakedProject) -> None:
    """Take the owner's role away, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    found[0]["roles"] = ["risk-owner"]
    registry.approvers(project, people=found)


def dismiss(project: BakedProject) -> None:
    """Take the owner out, on the protected branch."""
    found = json.loads(project.read(registry.APPROVERS))["people"]
    registry.approvers(project, people=found[1:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (revoke, "no key that the approver has today signed it"),
        (demote, "has not the role model-owner"),
        (dismiss, "does not list the approver"),
    ],
    ids=["revoked-key", "lost-role", "left"],
)
def test_an_approval_that_no_longer_counts_stops_the_promotion(
    contested: BakedProject, change: Callable[[BakedProject], None], cause: str
) -> None:
    # Given an approved challenger, when the protected branch says that the yes is worth nothing
    change(contested)
    registry.save(contested, "Changed", author="Risk <risk@example.org>")
    done = contested.governance("promote", code=None)
    # Then it is not promoted, and the reason is said
    registry.refused(done, "lacks an approval by model-owner", cause)
    # And a key that was revoked from before on takes the champion's approval with it
    code = 1 if change is revoke else 0
    assert registry.states(contested, code)[2] == "approved"


@pytest.mark.slow
def test_a_replayed_or_forged_approval_in_the_ledger_counts_for_nothing(
    registered: BakedProject, tmp_path: Path
) -> None:
    # Given a pending version, and an event that says "approved" without anybody's signature
    text = json.dumps(_forged(registered))
    script = (
        "import json; from governed_ml.registry import record\n"
        "seen = record.situation(Path(), registry)\n"
        "record.record(Path(), registry, 'approved', seen, **json.loads(sys.argv[1]))\n"
    )
    # Then it is not recorded, as nobody would believe it
    with pytest.raises(AssertionError, match="no key that the approver has today signed it"):
        registry.python(registered, script, text)
    assert registry.actions(registered) == ["registered 1"]
    # And written past the engine and pushed, it is void
    script = (
        "import json; from governed_ml.ledger import storage\n"
        "storage.append(Path(), 'approved', **json.loads(sys.argv[1]))\n"
    )
    registry.python(registered, script, text)
    found = registry.status(registered, code=1)
    assert any("owner did not approve: no key" in line for line in found["differences"])
    done = registered.governance("promote", "1", code=None)
    registry.refused(done, "only what is approved can be promoted")


def _forged(project: BakedProject) -> dict[str, Any]:
    event = registry.ledger(project)[0]
    subject = event["subject"]
    named = ("name", "commit", "model", "data", "policy", "engine")
    approval = {name: subject[name] for name in named}
    approval |= {
        "version": 1,
        "approver": "owner",
        "roles": ["model-owner"],
        "source": "ssh",
        "time": ago(0),
    }
    details = {"missing": []}
    return {"version": 1, "subject": subject, "approvals": [approval], "details": details}


@pytest.mark.slow
def test_a_shallow_clone_cannot_tell_who_the_authors_are(
    registered: BakedProject, tmp_path: Path
) -> None:
    # Given a clone without its history, as a workflow makes it by default
    registry.approve(registered, 1)
    url = (registry.home(registered) / "origin.git").as_uri()
    baked.git(tmp_path, "clone", "--quiet", "--depth", "1", url, "shallow")
    for name in ("mlflow.db", "mlruns"):
        (tmp_path / "shallow" / name).symlink_to(registered.path / name)
    fetch = ("fetch", "--quiet", "origin", "governance-ledger:governance-ledger")
    baked.git(tmp_path / "shallow", *fetch, "--unshallow")
    baked.git(tmp_path / "shallow", "fetch", "--quiet", "--depth", "1", "origin", "main")
    shallow = replace(registered, path=tmp_path / "shallow")
    # When it promotes, then it cannot judge
    done = shallow.governance("promote", code=None)
    registry.refused(done, "shallow", code=2)


@pytest.mark.slow
def test_trap_17_tags_on_a_model_version_are_no_approval(registered: BakedProject) -> None:
    # Given a version that somebody tags as approved and whose alias somebody moves
    tags = "client.set_model_version_tag(name, '1', 'governance_status', 'approved')\n"
    moved = "client.set_registered_model_alias(name, 'champion', '1')\n"
    registry.python(registered, tags + moved)
    # When it is promoted, then it is still pending
    registry.refused(registered.governance("promote", "1", code=None), "is pending review")
    # And status finds both, and reconcile puts both right
    found = registry.status(registered, code=1)["differences"]
    assert any("governance_status says 'approved'" in line for line in found)
    assert any("alias champion names version 1, the ledger says no version" in x for x in found)
    registered.governance("reconcile", "--apply")
    assert registry.status(registered)["differences"] == []


def at_github(project: BakedProject, hub: GitHubStandIn) -> BakedProject:
    """The project as in a workflow of the stand-in's repository."""
    variables = {
        "GITHUB_REPOSITORY": hub.repository,
        "GITHUB_API_URL": hub.url,
        "GITHUB_TOKEN": "gh-token",
        "NO_PROXY": "127.0.0.1",
    }
    return replace(project, variables=project.variables | variables)


@pytest.mark.nightly
@pytest.mark.slow
def test_approvals_on_github_count_for_the_commit_and_while_github_says_so(
    registered: BakedProject,
) -> None:
    commit = baked.git(registered.path, "rev-parse", "HEAD")
    with GitHubStandIn() as hub:
        project = at_github(registered, hub)
        # Given a run on the version's commit that its own starter, and one on another commit that
        # the owner approved: when they are taken over, then neither counts
        hub.add_run(1, actor="owner-at-github", head_sha=commit)
        hub.approve(1, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "1", code=None)
        registry.refused(done, "github:run:1 has no approval by anybody")
        hub.add_run(2, actor="robot", head_sha="d" * 40)
        hub.approve(2, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "2", code=None)
        registry.refused(done, "it is for another commit")
        # Nor does that of an author, of a stranger, or one that somebody else refused
        hub.add_run(3, actor="robot", head_sha=commit)
        hub.approve(3, "author-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "3", code=None)
        registry.refused(done, "is an author of what is to be approved")
        hub.add_run(4, actor="robot", head_sha=commit)
        # Nor one for another environment, of another workflow, of a pull request about code
        hub.approve(4, "owner-at-github", "staging")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "has no approval by anybody whom the policy asks for")
        hub.approve(4, "owner-at-github", "approve-risk")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "has no approval by anybody whom the policy asks for")
        hub.add_run(6, actor="robot", head_sha=commit, path=".github/workflows/deploy.yml")
        hub.approve(6, "owner-at-github", "approve-model")
        done = project.governance("approve", "1", "--run", "6", code=None)
        registry.refused(done, "run 6 is of .github/workflows/deploy.yml")
        code = hub.add_pull(7, author="author-at-github")
        code["head"] |= {"sha": commit, "ref": "faster"}
        hub.review(7, "owner-at-github", "APPROVED", commit_id=commit)
        done = project.governance("approve", "1", "--pull", "7", code=None)
        registry.refused(done, "pull request 7 is no promotion: it goes from faster to main")
        hub.approve(4, "stranger", "approve-model")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "has no approval by anybody whom the policy asks for")
        hub.approve(4, "owner-at-github", "approve-model")
        hub.approve(4, "risk-at-github", "approve-risk", state="rejected")
        done = project.governance("approve", "1", "--run", "4", code=None)
        registry.refused(done, "risk-at-github refused it on GitHub")
        assert registry.actions(project) == ["registered 1"]
        # When the owner approves a run on the commit, or reviews a pull request with that head
        pull = hub.add_pull(5, author="author-at-github")
        pull["head"]["sha"] = commit
        hub.review(5, "owner-at-github", "APPROVED", commit_id=commit)
        done = project.governance("approve", "1", "--pull", "5", code=None)
        registry.refused(done, "it is older than the registration")
        given = {"commit_id": commit, "submitted_at": ago(0)}
        hub.review(5, "owner-at-github", "APPROVED", **given)
        said = project.governance("approve", "1", "--pull", "5").stdout
        # Then it counts
        assert "owner said yes" in said
        assert registry.states(project) == {1: "approved"}
        # And when the review is dismissed before the promotion, then it counts no longer
        hub.review(5, "owner-at-github", "DISMISSED", **given)
        done = project.governance("promote", code=None)
        registry.refused(done, "lacks an approval", "GitHub knows of no such approval")
        # And without an answer from GitHub, nobody can tell
        lost = replace(project, variables=project.variables | {"GITHUB_TOKEN": ""})
        done = lost.governance("promote", code=None)
        registry.refused(done, "no token for GitHub", code=2)
        # And only a signed event can vouch for GitHub later, so git has to sign
        hub.review(5, "owner-at-github", "APPROVED", **given)
        done = project.governance("promote", code=None)
        registry.refused(done, "believed later only in signed events")
        registry.sign_events(project, "ci")
        project.governance("promote")
        assert registry.states(project) == {1: "champion"}
        rows = registry.home(project) / "rows.csv"
        rows.write_bytes((project.path / "data" / "raw.parquet").read_bytes())
        out = str(registry.home(project) / "out.csv")
        project.governance("predict", str(rows), "--output", out)
        assert not hub.complaints

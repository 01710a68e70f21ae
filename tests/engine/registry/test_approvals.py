"""Who may say yes, to what and for how long: every yes that is not just so counts for nothing."""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import registry
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import ago

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


def refused(approval: Any, listed: Any, own: set[str] | None = None, **event: Any) -> str | None:
    """Why an approval does not count under a policy that wants two."""
    known = SimpleNamespace(**vars(version(**event)))
    moment = datetime.now(UTC)
    return approvals.refused(approval, known, SUBJECT["policy"], listed, HIGH, own or set(), moment)


def test_a_listed_persons_signed_approval_counts(keys: Path) -> None:
    # Given Olga's approval, signed with her key, when it is looked at, then it counts
    assert refused(yes(keys), people(keys)) is None


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
        ({"roles": ["risk-owner"]}, "does not have the role risk-owner"),
        ({"roles": ["model-owner", "risk-owner"]}, "does not have the role risk-owner"),
        ({"time": ago(-1)}, "its time is in the future"),
        ({"time": ago(2)}, "older than the registration"),
    ],
)
def test_trap_34_an_approval_binds_what_it_was_given_for(
    keys: Path, changes: dict[str, Any], cause: str
) -> None:
    # Given an approval that is properly signed, but for something else, by somebody else, at a
    # time that cannot be, when it is looked at, then it counts for nothing, and says why
    assert cause in str(refused(yes(keys, **changes), people(keys)))


def test_an_approval_lasts_as_long_as_the_policy_says(keys: Path) -> None:
    # Given approvals of 29 and 31 days ago under a policy of 30 days, for an older registration
    assert refused(yes(keys, time=ago(29)), people(keys), time=ago(60)) is None
    assert "it expired" in str(refused(yes(keys, time=ago(31)), people(keys), time=ago(60)))


@pytest.mark.parametrize(
    "text",
    ["yesterday", "", "2026-13-45T00:00:00Z", "2026-1-2T3:4:5Z", "2026-01-02T03:04:05+00:00"],
)
def test_trap_50_an_approval_with_an_invalid_time_is_refused(keys: Path, text: str) -> None:
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
def test_trap_02_the_signer_of_a_registration_may_not_approve_it(
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
def test_trap_02_nobody_approves_their_own_work(keys: Path, own: str) -> None:
    # Given an approver among the authors, when her approval is looked at, then it does not count
    assert "wrote or registered what is to be approved" in refused(yes(keys), people(keys), {own})
    # Nor does that of somebody whose account at GitHub registered it
    rita = yes(keys, "rita", approver="rita", roles=["risk-owner"])
    assert "wrote or registered what is to be approved" in refused(rita, people(keys), {"rita"})


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
    assert (why is None) == counts
    assert counts or "none of the approver's keys that count today signed it" in str(why)


def test_a_signature_by_another_key_or_over_other_content_is_invalid(keys: Path) -> None:
    cause = "none of the approver's keys that count today signed it"
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
        ({"rita": {"name": "olga"}}, "the name olga is listed twice"),
        ({"rita": {"emails": ["OLGA@example.org"]}}, "olga@example.org is listed twice"),
        ({"olga": {"github": "rita"}}, "the GitHub account rita is listed twice"),
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

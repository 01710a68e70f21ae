"""The ledger on a screen: names for what digests are of, and people instead of signatures."""

from __future__ import annotations

import re
from typing import Any

import pytest

from governed_ml.ledger import display
from governed_ml.ledger.chain import GENESIS
from governed_ml.ledger.events import Event

SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ\n-----END SSH SIGNATURE-----\n"
SUBJECT = {"name": "credit", "commit": "c" * 40} | {
    name: f"sha256:{letter * 64}"
    for name, letter in (("model", "a"), ("data", "b"), ("policy", "d"))
}
APPROVAL: dict[str, Any] = SUBJECT | {
    "approver": "Ada",
    "roles": ["model-owner"],
    "source": "ssh",
    "time": "2026-01-02T03:04:05Z",
    "comment": "looked at the fairness gap",
    "signature": SIGNATURE,
}


def event(action: Any = "approved", **more: Any) -> Event:
    """One event of the ledger."""
    values: dict[str, Any] = {"approvals": [APPROVAL], "subject": SUBJECT, "version": 1} | more
    return Event(
        sequence=2, time="2026-01-02T03:04:05Z", actor="ada@example.org", action=action,
        previous=GENESIS, **values
    )  # fmt: skip


def in_full(capsys: pytest.CaptureFixture[str], one: Event, signature: str = "good ci") -> str:
    """What is printed of one event."""
    record = {"commit": "e" * 40, "signature": signature, "event": one.model_dump(mode="json")}
    display.in_full([record])
    return capsys.readouterr().out


def test_a_version_in_full_names_what_each_digest_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    # Given an approval with its signature, when it is shown in full
    text = in_full(capsys, event())
    # Then each digest has the name of its thing, and the name of the model is no digest
    for name, letter in (("model", "a"), ("data", "b"), ("policy", "d")):
        assert re.search(rf"\n  {name} +sha256:{letter}{{64}}\n", text)
    assert re.search(r"\n  model name +credit\n", text)
    assert "digest" not in text
    # And the approval says who, as what, how, when and why, and shows no signature
    said = "Ada as model-owner · signed with an SSH key · 2026-01-02 03:04:05"
    assert f"{said} · looked at the fairness gap" in text
    assert "SSH SIGNATURE" not in text
    assert "U1NI" not in text


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        ("good ci", "yes, by ci"),
        ("unsigned", "no"),
        ("bad SHA256:x", "NO, the signature is wrong: SHA256:x"),
        ("unlisted SHA256:x", "by a key that governance/approvers.yaml does not list: SHA256:x"),
    ],
)
def test_the_ledger_view_shows_whether_an_event_is_signed(
    signature: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an event and what is known of its signature, when it is shown, then in words
    assert re.search(rf"\n  signed +{re.escape(said)}\n", in_full(capsys, event(), signature))


def test_a_decision_is_shown_with_the_rules_that_did_not_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a registration that was denied, when it is shown in full
    decision = {"verdict": "deny", "tally": "1 fail · 9 pass", "risk": 61.5,
                "rules": {"fairness.proxy[sex]": "fail: 0.93"}}  # fmt: skip
    details = {"run_id": "abc", "signature": "sha256:" + "f" * 64}
    one = event("quarantined", approvals=[], decision=decision, details=details)
    text = in_full(capsys, one)
    # Then verdict, score and each such rule have a line
    assert re.search(r"\n  verdict +deny\n", text)
    assert re.search(r"\n  risk score +61.5\n", text)
    assert re.search(r"\n  not passed +fairness\.proxy\[sex\]: fail: 0\.93\n", text)
    assert re.search(r"\n  MLflow run +abc\n  model signature +sha256:f", text)


def test_the_table_has_a_row_for_each_event(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an event, when all are shown on a wide screen
    monkeypatch.setenv("COLUMNS", "200")
    display.table([event(reason="see \x1b[31m [red]")])
    header, row, note = capsys.readouterr().out.splitlines()
    # Then the digests stand under what they are of, and the rest in plain text
    assert header.split()[-6:] == ["model", "data", "policy", "approved", "by", "reason"]
    assert re.search(r"approved +1 +a{12} +b{12} +d{12} +Ada +see", row)
    assert "\x1b" not in row
    assert "--version N" in note

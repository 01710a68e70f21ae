"""Signatures of the ledger: who wrote an event, by a key that is listed and was valid then."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import baked
import chains
import pytest
from chains import Repository, body, message, only

from governed_ml.ledger import signatures

Problem, Signer = import_module("governed_ml.core.problem").Problem, signatures.Signer

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    """Public halves of two SSH keys, with where they lie."""
    return {name: chains.key(tmp_path, name) for name in ("ci", "mallory")}


def signed_by(repo: Repository, public: Path) -> None:
    """Have git sign with a key from now on."""
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingkey", str(public))


def unsigned(repo: Repository) -> None:
    """Have git sign no more."""
    repo.git("config", "--unset", "gpg.format")


def signer(public: Path, **days: date) -> Any:
    """A key as the list of approvers has it."""
    return Signer("the pipeline, *", public.read_text(), **days)


def test_signed_events_are_whole_and_their_signers_known(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given events signed by a listed key, when they are verified
    signed_by(empty, keys["ci"])
    made = empty.append(3)
    listed = signer(keys["ci"], since=date(2020, 1, 1), until=date(2999, 1, 1))
    found = empty.verify(signers=[signer(keys["mallory"]), listed])
    # Then nothing is wrong, and each has its signer's name
    assert found.problems == []
    assert found.ok
    assert all(entry.signed for entry in made)
    assert "nobody can prove who wrote" not in " ".join(found.notes)
    states = signatures.signatures(empty.path, [one.commit for one in made], [listed])
    assert {str(one) for one in states.values()} == {"good the pipeline, *"}
    # And with no key listed a note says that this proves nothing
    found = empty.verify()
    assert found.ok
    assert "no key is listed under `ledger` in governance/approvers.yaml" in found.notes[-1]


def test_an_unsigned_event_after_signed_ones_is_seen(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given a signed ledger, when git has no key any more
    signed_by(empty, keys["ci"])
    empty.append(2)
    unsigned(empty)
    # Then one that is put there in spite of that is named, and the ledger goes on
    empty.append()
    for since, why in ((None, "it must be signed"), (at(0), "an earlier event is signed")):
        listed = signer(keys["ci"], since=since)
        found = only(empty.verify(signers=[listed]))
        assert found.startswith("event 3 (")
        assert f") is void: it is unsigned, but {why}" in found
    signed_by(empty, keys["ci"])
    empty.append()
    assert "event 3 (" in only(empty.verify(signers=[listed]))
    # And where no key is listed, a signature says nothing: nobody can stop the others by signing
    assert empty.verify().ok


def test_an_unsigned_event_is_seen_where_a_key_was_listed(
    repo: Repository, keys: dict[str, Path]
) -> None:
    # Given unsigned events, when a key is listed that was valid on their day
    found = repo.verify(signers=[signer(keys["ci"])])
    # Then each is void
    assert len(found.problems) == 4
    assert all("is unsigned, but it must be signed" in one for one in found.problems)
    # But not those from before the key, or from before somebody listed it
    assert repo.verify(signers=[signer(keys["ci"], since=date(2999, 1, 1))]).ok
    assert repo.verify(signers=[signer(keys["ci"], listed=at(0))]).ok


def test_an_event_signed_by_a_key_that_is_not_listed_is_seen(
    empty: Repository, keys: dict[str, Path]
) -> None:
    # Given a ledger whose second event was signed by another's key
    signed_by(empty, keys["ci"])
    empty.append()
    signed_by(empty, keys["mallory"])
    empty.append()
    # When it is verified, then that event is named, and the key
    found = only(empty.verify(signers=[signer(keys["ci"])]))
    assert "event 2 (" in found
    assert (
        ") is void: it is signed by a key that governance/approvers.yaml does not list (SHA256:"
        in found
    )
    assert signer(keys["mallory"]).fingerprint in found


def at(days: int) -> date:
    """A day from now."""
    return datetime.now(UTC).date() + timedelta(days)


@pytest.mark.parametrize(
    ("days", "valid"),
    [
        ({"since": 0, "until": 1}, True),
        ({"since": 1}, False),
        ({"until": 0}, False),
        ({"since": -9, "until": -1}, False),
    ],
    ids=["today", "not-yet", "no-longer", "long-ago"],
)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_an_event_signed_out_of_the_keys_days_is_seen(
    empty: Repository,
    keys: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    days: dict[str, int],
    valid: bool,
    zone: str,
) -> None:
    # Given an event signed today by a key with its days (UTC), anywhere in the world
    monkeypatch.setenv("TZ", zone)
    signed_by(empty, keys["ci"])
    empty.append()
    # When it is verified, then it counts on these days and on no others
    chosen = signer(keys["ci"], **{name: at(n) for name, n in days.items()})
    found = empty.verify(signers=[chosen])
    assert found.ok == valid, found
    if not valid:
        why = ") is void: it is signed by the pipeline, * with a key that was not valid on that day"
        assert why in only(found)


@pytest.mark.parametrize("how", ["borrowed", "garbled", "pgp"])
def test_a_signature_that_is_not_of_this_event_is_seen(
    empty: Repository, keys: dict[str, Path], how: str
) -> None:
    # Given a signed event, and a forged one with the signature taken from it, or nonsense
    signed_by(empty, keys["ci"])
    last = empty.append()[0]
    content = empty.git("cat-file", "commit", last.commit)
    extra = content[content.index("gpgsig ") : content.index("\n\n")] + "\n"
    if how == "garbled":
        extra = "gpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n"
    elif how == "pgp":
        extra = extra.replace("SSH SIGNATURE", "PGP SIGNATURE")
    text = message(2, last.event.digest(), time=last.event.time)
    empty.point(empty.forge(body(text, [last.commit], extra=extra)))
    # When the ledger is verified, then that is seen, also with no key listed
    cause = (
        "its signature is invalid"
        if how != "pgp"
        else "does not have the form that the ledger writes"
    )
    for signers in ([], [signer(keys["ci"])]):
        found = only(empty.verify(signers=signers))
        assert "event 2 (" in found
        assert cause in found


def test_personal_git_configuration_does_not_affect_verification(
    empty: Repository, nobody: Path, keys: dict[str, Path], tmp_path: Path
) -> None:
    # Given an event signed by a key that is not listed, and one of a listed key
    signed_by(empty, keys["ci"])
    empty.append()
    signed_by(empty, keys["mallory"])
    empty.append()
    before = empty.verify(signers=[signer(keys["ci"])])
    # When git is told to believe the one and not the other, by programs and lists
    yes = tmp_path / "yes"
    yes.write_text("#!/bin/sh\necho 'Good \"git\" signature for ci with ED25519 key SHA256:x'\n")
    yes.chmod(0o755)
    mine = tmp_path / "mine"
    mine.write_text(f"signer-0 {keys['mallory'].read_text()}")
    settings = {
        "gpg.ssh.program": str(yes),
        "gpg.program": str(yes),
        "gpg.ssh.allowedSignersFile": str(mine),
        "gpg.ssh.revocationFile": str(keys["ci"]),
        "gpg.minTrustLevel": "ultimate",
        "log.showSignature": "true",
        "format.pretty": "fuller",
        "color.ui": "always",
    }
    for name, value in settings.items():
        empty.git("config", name, value)
        baked.git(tmp_path, "config", "--file", str(nobody), name, value)
    # Then the verdict is the same
    assert empty.verify(signers=[signer(keys["ci"])]) == before
    assert "event 2 (" in only(before)


def test_without_ssh_keygen_the_verification_fails(
    empty: Repository, keys: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given a signed ledger, on a machine with git and without ssh-keygen
    signed_by(empty, keys["ci"])
    empty.append()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    # When it is verified, then it could not be judged
    found = empty.verify(signers=[signer(keys["ci"])])
    assert found.exit_code == 2
    assert found.unchecked == ["signatures cannot be checked without ssh-keygen: install OpenSSH"]

"""Verify who signed the ledger's events, using git and ssh-keygen with the listed keys.

A person's own git configuration (programs, revocations, lists of keys) is ignored.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from governed_ml.core.files import write_text
from governed_ml.core.problem import Problem
from governed_ml.core.repository import attempt
from governed_ml.ledger.events import Event


class Signer(NamedTuple):
    """A key that may sign events, from the day `since` until the day before `until`.

    `listed` is the day since which the protected branch lists the key. Earlier events need no
    signature.
    """

    principal: str
    key: str
    since: date | None = None
    until: date | None = None
    listed: date | None = None

    def counts(self, event: Event) -> bool:
        """Return whether the key is valid on the event's day (UTC)."""
        day = event.moment.date()
        begun = self.since is None or self.since <= day
        return begun and (self.until is None or day < self.until)

    def expects(self, event: Event) -> bool:
        """Return whether this key, listed on an earlier day, requires the event to be signed."""
        first = self.since or self.listed
        return self.counts(event) and (first is None or first < event.moment.date())

    @property
    def fingerprint(self) -> str:
        """Return the key's fingerprint as OpenSSH prints it."""
        raw = base64.b64decode(self.key.split()[1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Signature:
    """The verification result for one event's signature."""

    state: Literal["good", "unlisted", "bad", "unsigned"]
    by: str = ""  # the signer's name if the signature is good, else the key's fingerprint

    def __str__(self) -> str:
        """Return the result as text for people."""
        return f"{self.state} {self.by}".rstrip()


def signatures(
    base: Path, commits: Sequence[str], signers: Sequence[Signer]
) -> dict[str, Signature]:
    """Return commit → signature, all verified by one run of git."""
    if not commits:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        allowed = Path(scratch) / "allowed_signers"
        write_text(allowed, "".join(_line(n, signer) for n, signer in enumerate(signers)))
        settings = {
            "gpg.ssh.allowedSignersFile": allowed.as_posix(),
            "gpg.ssh.program": "ssh-keygen",
            "gpg.ssh.revocationFile": "",
            "gpg.program": "ssh-keygen",  # it accepts no signature that is not SSH
            "gpg.openpgp.program": "ssh-keygen",
            "gpg.x509.program": "ssh-keygen",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        words += ["log", "--no-walk=unsorted", "--stdin", "--no-color", "--no-patch"]
        words += ["--format=%H %G? %GF %GS"]
        found = _asked(base, words, commits, signers)
        for name in [one for one in commits if one not in found]:
            # ssh-keygen stopped reading a malformed signature early, which made git fail
            found |= {name: Signature("bad")} | _asked(base, words, [name], signers)
    if any(one.state != "unsigned" for one in found.values()) and not shutil.which("ssh-keygen"):
        raise Problem("signatures cannot be checked without ssh-keygen: install OpenSSH")
    return found


def _asked(
    base: Path, words: list[str], commits: Sequence[str], signers: Sequence[Signer]
) -> dict[str, Signature]:
    asked = "".join(f"{name}\n" for name in commits).encode()
    lines = attempt(base, *words, stdin=asked).stdout.decode("utf-8", errors="replace").split("\n")
    found = {words[0]: _signature(words[1:], signers) for words in map(str.split, lines) if words}
    wanted = set(commits)
    return {name: one for name, one in found.items() if name in wanted}


def _line(number: int, signer: Signer) -> str:
    """Return a line of the allowed-signers file. Names are replaced by numbers.

    OpenSSH would treat a name as a pattern.
    """
    options = ['namespaces="git"']
    options += [f'valid-after="{signer.since:%Y%m%d}"'] if signer.since else []
    options += [f'valid-before="{signer.until:%Y%m%d}"'] if signer.until else []
    kind, key = signer.key.split()[:2]
    return f"signer-{number} {','.join(options)} {kind} {key}\n"


def _signature(words: list[str], signers: Sequence[Signer]) -> Signature:
    verdict, *more = words or [""]
    if verdict == "N":
        return Signature("unsigned")
    if verdict == "G" and len(more) == 2 and more[1].startswith("signer-"):
        return Signature("good", signers[int(more[1].removeprefix("signer-"))].principal)
    if verdict == "U" and more:
        return Signature("unlisted", more[0])
    return Signature("bad")

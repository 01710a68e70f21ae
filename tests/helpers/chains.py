"""Ledgers for tests: written as they should be, and forged by somebody who knows git well."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import baked
import pytest

from governed_ml.ledger import chain, events
from governed_ml.ledger import storage as ledger
from governed_ml.ledger import verification as check

EMPTY_TREE = chain.EMPTY_TREES[0]
ME = "me@example.org"
WRITER = """
import sys
from pathlib import Path
from governed_ml.ledger import storage as ledger
for number in range(int(sys.argv[2])):
    entry = ledger.append(Path.cwd(), "registered", details={"who": sys.argv[1], "n": number})
    print(entry.commit, flush=True)
"""


def message(sequence: int, previous: str, **fields: Any) -> str:
    """An event's canonical text."""
    values = {"time": f"2026-01-01T00:00:{sequence:02}Z", "actor": ME, "action": "registered"}
    event = events.Event(sequence=sequence, previous=previous, **values | fields)
    return event.canonical() + "\n"


def hung_together(messages: list[str]) -> list[str]:
    """The same events with numbers, times and digests as if they had always been these."""
    done: list[str] = []
    previous = chain.GENESIS
    for number, text in enumerate(messages, start=1):
        values = json.loads(text) | {"sequence": number, "previous": previous}
        values["time"] = f"2026-01-01T00:00:{number:02}Z"
        event = events.Event(**values)
        previous = event.digest()
        done.append(event.canonical() + "\n")
    return done


def body(text: str, parents: list[str], tree: str = EMPTY_TREE, extra: str = "") -> bytes:
    """The bytes of a commit with this message, at the time that the message gives."""
    try:
        seconds = int(datetime.fromisoformat(json.loads(text)["time"]).timestamp())
    except (ValueError, KeyError, TypeError):
        seconds = 1_767_225_600
    who = f"{ME} <{ME}> {seconds} +0000"
    above = "".join(f"parent {one}\n" for one in parents)
    return f"tree {tree}\n{above}author {who}\ncommitter {who}\n{extra}\n{text}".encode()


@dataclass(frozen=True)
class Repository:
    """A git repository with a ledger, and what an attacker can do there."""

    path: Path

    def git(self, *words: str) -> str:
        """Run git."""
        return baked.git(self.path, *words)

    def append(self, count: int = 1, **fields: Any) -> list[Any]:
        """Append events as the registry does."""
        start = len(self.entries())
        return [
            ledger.append(self.path, "registered", version=start + n, **fields)
            for n in range(1, count + 1)
        ]

    def entries(self) -> list[Any]:
        """The ledger, if its chain holds."""
        return ledger.read(self.path)

    def messages(self) -> list[str]:
        """What the commits say."""
        return [one.event.canonical() + "\n" for one in self.entries()]

    def verify(self, *anchors: Any, signers: list[Any] | None = None) -> Any:
        """The verification."""
        return check.verify(self.path, list(anchors), signers or [])

    def anchor(self, where: str = "the registry's tag") -> Any:
        """The ledger's end, remembered by somebody."""
        last = self.entries()[-1]
        return events.Anchor(where, last.event.sequence, last.commit)

    def forge(self, content: bytes) -> str:
        """Write a commit of any bytes."""
        command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
        done = subprocess.run(
            command,
            cwd=self.path,
            env=baked.clean_environment(),
            input=content,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def point(self, commit: str) -> None:
        """Move the branch by force."""
        self.git("update-ref", ledger.REF, commit)

    def rewrite(self, messages: list[str]) -> str:
        """Put a new chain of commits with these messages into the branch's place."""
        tip: list[str] = []
        for text in messages:
            tip = [self.forge(body(text, tip))]
        self.point(tip[0])
        return tip[0]

    def clone(self, folder: Path, *options: str) -> Repository:
        """A clone with a ledger of its own, as a colleague has it."""
        self.git("clone", "--quiet", *options, self.path.as_uri(), str(folder))
        return configured(folder)


def configured(folder: Path) -> Repository:
    """A repository whose git knows who acts."""
    made = Repository(folder)
    made.git("config", "user.email", ME)
    made.git("config", "user.name", "Me")
    return made


def new(folder: Path, *options: str) -> Repository:
    """An empty repository."""
    folder.mkdir(parents=True)
    baked.git(folder, "init", "--quiet", "--initial-branch", "main", *options)
    return configured(folder)


def key(folder: Path, name: str) -> Path:
    """A new SSH key without a passphrase; returns the path of its public half."""
    program = shutil.which("ssh-keygen")
    assert program, "ssh-keygen is not installed"
    path = folder / name
    command = [program, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, env=dict(os.environ))
    return path.with_suffix(".pub")


def command(code: str, *words: str) -> list[str]:
    """A Python process that can import the engine."""
    return [sys.executable, "-c", code, *words]


def only(found: Any) -> str:
    """The one problem that was found."""
    assert len(found.problems) == 1, found
    assert not found.ok
    assert found.exit_code == 1
    return found.problems[0]


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of the person who runs the tests; returns the file that stands for it."""
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return config


@pytest.fixture
def repo(tmp_path: Path, nobody: Path) -> Repository:
    """A repository with a ledger of four events."""
    made = new(tmp_path / "repo")
    made.append(4, reason="because")
    return made


@pytest.fixture
def empty(tmp_path: Path, nobody: Path) -> Repository:
    """A repository without a ledger."""
    return new(tmp_path / "empty")


@pytest.fixture
def origin(repo: Repository, tmp_path: Path) -> Repository:
    """The remote that `repo` has pushed its four events to."""
    made = new(tmp_path / "origin.git", "--bare")
    repo.git("remote", "add", "origin", made.path.as_uri())
    assert import_module("governed_ml.ledger.remote").push(repo.path)
    return made

"""The ledger side by side with bare git: an append, and a verification of thousands of events.

python tests/benchmarks/ledger.py FOLDER [--appends N] [--events N] [--signed N]

Runs in a project's environment, prints JSON; `compare` runs it there and makes the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from governed_ml.ledger.chain import GENESIS
from governed_ml.ledger.events import Event
from governed_ml.ledger.signatures import Signer
from governed_ml.ledger.storage import BRANCH, REF, append
from governed_ml.ledger.verification import verify

COMMIT = ["git", "commit", "--quiet", "--allow-empty", "--message", "an event"]
SETTINGS = {"user.name": "Bench", "user.email": "bench@example.org", "gc.auto": "0"}


def git(folder: Path, *words: str, stdin: str | None = None) -> str:
    """Run git, which has to succeed, and return what it printed."""
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, input=stdin, capture_output=True, text=True
    )
    return done.stdout


def repository(folder: Path) -> Path:
    """Make an empty repository."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for name, value in SETTINGS.items():
        git(folder, "config", name, value)
    return folder


def sign(folder: Path) -> str:
    """Have git sign with a new SSH key; return its public half."""
    key = folder / ".git" / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(key)]
    subprocess.run(words, check=True)
    public = key.with_suffix(".pub").read_text()
    (folder / ".git" / "allowed").write_text(f"bench {public}")
    git(folder, "config", "gpg.format", "ssh")
    git(folder, "config", "user.signingkey", f"{key}.pub")
    git(folder, "config", "gpg.ssh.allowedSignersFile", str(folder / ".git" / "allowed"))
    return public


def seconds(work: Callable[[], object]) -> float:
    """The wall time of a function."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(measures: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Measure in turns, so that a busy moment falls on all alike; return the medians."""
    times: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, work in measures.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def filled(folder: Path, count: int) -> None:
    """Write unsigned events by `git fast-import`, which is what makes thousands of them soon."""
    lines: list[str] = []
    previous = GENESIS
    who = f"Bench <bench@example.org> {1_767_225_600} +0000"
    subject = dict.fromkeys(("model", "data", "policy"), "sha256:" + "a" * 64)
    for number in range(1, count + 1):
        event = Event(
            sequence=number,
            time="2026-01-01T00:00:00Z",
            actor="bench@example.org",
            action="registered",
            version=number,
            subject=subject,
            previous=previous,
        )
        text = event.canonical() + "\n"
        lines.append(f"commit {REF}\nauthor {who}\ncommitter {who}\n")
        lines.append(f"data {len(text.encode())}\n{text}\n")
        previous = event.digest()
    git(folder, "fast-import", "--quiet", "--force", stdin="".join(lines))


def main() -> None:
    """Measure in a scratch folder, print medians as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--appends", type=int)
    parser.add_argument("--events", type=int)
    parser.add_argument("--signed", type=int)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    plain, signed, many = (repository(options.folder / n) for n in ("plain", "signed", "many"))
    listed = [Signer("bench", sign(signed))]
    for name, folder, more in (("append", plain, []), ("append, signed", signed, ["-S"])):
        measures = {
            "git commit --allow-empty": lambda folder=folder, more=more: subprocess.run(
                [*COMMIT, *more], cwd=folder, check=True
            ),
            "ledger": lambda folder=folder: append(folder, "registered"),
        }
        found[name] = in_turns(measures, options.appends)
    filled(many, options.events)
    for _ in range(options.signed - options.appends):
        append(signed, "registered")
    for name, folder, show, signers, repeats in (
        ("verify", many, "%H %B", [], 5),
        ("verify, signed", signed, "%H %G? %B", listed, 3),
    ):
        log = ["log", f"--format={show}", BRANCH, "--"]
        assert verify(folder, [], signers).ok
        measures = {
            "git log": lambda folder=folder, log=log: git(folder, *log),
            "ledger": lambda folder=folder, signers=signers: verify(folder, [], signers),
        }
        found[name] = in_turns(measures, repeats)
    print(json.dumps(found))


def compare(source: Path, environment: Path, sizes: dict[str, int]) -> str:
    """Run this file in a project's environment and return its figures as a table."""
    import measure

    with tempfile.TemporaryDirectory() as scratch:
        given = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
        command = ["python", __file__, scratch, *given]
        isolated = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        output = measure.must(measure.run(command, source, environment, **isolated)).output
    found = json.loads(output.splitlines()[-1])
    rows: list[list[str]] = []
    for name, times in found.items():
        events = (
            1 if name.startswith("append") else sizes["signed" if "signed" in name else "events"]
        )
        for who, took in times.items():
            ratio = took / next(iter(times.values()))
            what = f"{name} ({events:,} events)" if events > 1 else name
            rows.append([what, who, f"{took * 1000:,.0f}", f"{events / took:,.0f}", f"{ratio:.2f}"])
    header = ["", "by", "milliseconds (median)", "events a second", "times git"]
    return measure.table(header, rows)


if __name__ == "__main__":
    if shutil.which("ssh-keygen") is None:
        raise SystemExit("error: ssh-keygen is not on PATH: install OpenSSH")
    main()

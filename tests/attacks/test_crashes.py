"""Killed, interrupted, out of room, not allowed to write, twice at once: no allow is left over."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess

import baked
import pytest
from baked import BakedProject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX systems"),
]

STAGES = "compose ingest validate split train evaluate drift fairness explain document decide"
HOOK = """#!{python}
import os, signal, sys
from governed_ml.__main__ import main

seen = []

def at_the_first_rename(event, arguments):
    # The worst moment: a temporary file is written and not yet in its place.
    if event == "os.rename" and str(arguments[0]).endswith((".tmp", ".part")) and not seen:
        seen.append(arguments)
        target = os.getpgrp() if os.environ["HIT"] == "SIGKILL" else os.getpid()
        hit = os.killpg if os.environ["HIT"] == "SIGKILL" else os.kill
        hit(target, signal.Signals[os.environ["HIT"]])

sys.addaudithook(at_the_first_rename)
main()
"""
START = """
import os, signal, sys
os.setpgrp()
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
os.environ["PATH"] = os.pathsep.join([sys.argv[1], os.environ["PATH"]])
os.execvp(sys.argv[2], sys.argv[2:])
"""
LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execvp(sys.argv[2], sys.argv[2:])
"""
ROOT_ONLY = "-dac_override,-dac_read_search"  # what lets root write where nobody may


def nightly_but(*kept: str) -> list[object]:
    """All stages as parameters; those kept run on every push, the others nightly."""
    return [
        stage if stage in kept else pytest.param(stage, marks=pytest.mark.nightly)
        for stage in STAGES.split()
    ]


def verdict(project: BakedProject) -> str | None:
    """The verdict on disk, if there is one."""
    path = project.path / "reports" / "decision.json"
    return json.loads(path.read_text(encoding="utf-8"))["verdict"] if path.exists() else None


def leftovers(project: BakedProject) -> list[str]:
    """Files that git would add though no stage names them."""
    seen = baked.git(project.path, "status", "--porcelain", "--untracked-files=all")
    return [line for line in seen.splitlines() if line.startswith("??")]


def hit(project: BakedProject, stage: str, signal_name: str) -> subprocess.CompletedProcess[str]:
    """Run one stage by DVC, in a process group of its own, and signal it at its first rename.

    DVC finds a `governance` that does what the engine's does, and does the signalling as well.
    """
    assert project.environment
    script = project.path.parent / "hit" / "governance"
    script.parent.mkdir()
    script.write_text(
        HOOK.replace("{python}", str(project.environment / "bin" / "python")), "utf-8"
    )
    script.chmod(0o755)
    command = ["python", "-c", START, str(script.parent)]
    command += ["dvc", "repro", "--single-item", "--force", stage]
    return project.run(command, code=None, HIT=signal_name)


@pytest.mark.nightly
@pytest.mark.parametrize("stage", nightly_but("split"))
def test_a_killed_stage_leaves_no_allow_and_the_next_run_completes(
    finished: BakedProject, stage: str
) -> None:
    # Given a finished pipeline whose configuration changed in a comment, and kill -9 amid a stage
    policy = "conf/policy/base.yaml"
    finished.write(policy, finished.read(policy).replace("block: 0.65", "block: 0.64"))
    done = hit(finished, stage, "SIGKILL")
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    # Then no allow is on disk, git sees nothing half-written, and the gate does not allow
    assert verdict(finished) != "allow"
    assert leftovers(finished) == []
    # (which judges anew: with all evidence in place it may)
    untouched = stage in ("compose", "document", "decide")
    assert finished.call("gate", code=None).returncode in ((0,) if untouched else (1, 2))
    # When the pipeline runs again, then it finishes, and what it left is judged as before
    ran = finished.run(["dvc", "repro"]).stdout
    assert f"Running stage '{stage}'" in ran
    assert verdict(finished) == "allow"
    assert leftovers(finished) == []
    finished.call("gate", code=0)


@pytest.mark.parametrize("stage", nightly_but("ingest"))
def test_an_interrupted_stage_says_so_and_leaves_a_deny(finished: BakedProject, stage: str) -> None:
    # Given a finished pipeline, when Ctrl-C reaches a stage
    done = hit(finished, stage, "SIGINT")
    # Then it ends in one line, without a traceback or a temporary file, and leaves a deny
    assert done.returncode != 0
    assert f"{stage}: interrupted" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert verdict(finished) == "deny"
    assert not list(finished.path.glob("[!.]*/**/.*.tmp"))


@pytest.mark.nightly  # on every push: the writers of test_ledger_writing.py, and the kills above
def test_two_repros_at_once(finished: BakedProject) -> None:
    # Given a line of which every stage has to run, under way
    finished.write(
        "conf/data/synthetic.yaml",
        finished.read("conf/data/synthetic.yaml").replace("rows: 110000", "rows: 20000"),
    )
    code = """
import re, subprocess, sys
command = ["dvc", "repro"]
first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
for line in first.stdout:
    if "Running stage 'ingest'" in line:
        break
second = subprocess.run(command, capture_output=True, text=True)
rest = first.stdout.read()
print(second.stdout + second.stderr, file=sys.stderr)
print(rest, first.wait(), second.returncode)
"""
    # When a second one starts
    done = finished.run(["python", "-c", code])
    # Then the first finishes, the second says who is in its way
    first, second = done.stdout.split()[-2:]
    assert first == "0", done.stdout
    assert second != "0"
    assert "is busy, it is being blocked by" in done.stderr
    # And the state is that of one run
    assert finished.run(["dvc", "status", "-q"]).returncode == 0
    assert (
        verdict(finished)
        == json.loads(finished.call("gate", "--json", code=None).stdout)["verdict"]
    )


FREQUENT = ("compose", "ingest", "split", "document", "decide")
FIRST_FILE = {
    "compose": "params.yaml",
    "ingest": "data/raw.parquet",
    "validate": "reports/contract.html",
    "split": "data/split/train.parquet",
    "evaluate": "data/predictions.parquet",
    "drift": "reports/drift.html",
    "fairness": "reports/evidence/fairness.json",
    "explain": "reports/explanation.svg",
    "document": "reports/model_card.json",
    "decide": "reports/metrics.json",
}


# `train` opens MLflow's store first: the test below
@pytest.mark.parametrize(
    "stage",
    [
        stage if stage in FREQUENT else pytest.param(stage, marks=pytest.mark.nightly)
        for stage in FIRST_FILE
    ],
)
def test_a_full_disk_is_reported_in_one_line(finished: BakedProject, stage: str) -> None:
    # Given a finished pipeline whose policy changed, and no room for more than a kilobyte
    policy = "conf/policy/base.yaml"
    finished.write(policy, finished.read(policy).replace("block: 0.65", "block: 0.64"))
    before = {path: path.read_bytes() for path in finished.path.glob("data/*.parquet")}
    command = ["python", "-c", LIMIT, "1000", "governance", "stage", stage]
    done = finished.run(command, code=2)
    # Then one line says which file could not be written, and a deny is left
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines == [lines[-1]]
    assert f"{stage}: cannot write {FIRST_FILE[stage]}: " in lines[0]
    assert "File too large" in lines[0]
    assert "free disk space" in lines[0]
    assert verdict(finished) == "deny"
    # And nothing is half-written: a table is the old one or gone, no temporary file lies about
    for path, content in before.items():
        assert not path.exists() or path.read_bytes() == content
    assert not list(finished.path.glob("[!.]*/**/.*.tmp"))
    assert not list(finished.path.glob("data/*.part"))


def test_a_full_disk_under_the_tracking_store_stops_training(finished: BakedProject) -> None:
    # Given room for the model, and none for MLflow's database
    size = (finished.path / "models" / "model.skops").stat().st_size + 1000
    command = ["python", "-c", LIMIT, str(size), "governance", "stage"]
    # When training logs its run, then one line says so, and a deny is left
    done = finished.run([*command, "train"], code=2)
    # A slow machine may also show that the stage is still at work.
    working = r"\w+ \(\d+ s\) …"
    [line] = [one for one in done.stderr.splitlines() if not re.fullmatch(working, one)]
    assert re.search(r"^train: MLflow at sqlite:.* disk I/O error", line)
    assert verdict(finished) == "deny"


def as_nobody(command: list[str]) -> list[str]:
    """A command to which the rights of files apply, also where the tests run as root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and there is no setpriv to take that away")
    return ["setpriv", "--bounding-set", ROOT_ONLY, "--inh-caps", ROOT_ONLY, *command]


@pytest.mark.parametrize(
    ("folder", "stage", "message"),
    [
        ("reports", "split", "cannot delete reports/decision.json: Permission denied"),
        ("data", "ingest", "cannot write data/raw.parquet: "),
        pytest.param(
            "models", "train", "cannot write models/model.skops: ", marks=pytest.mark.nightly
        ),
    ],
)
def test_a_folder_that_may_not_be_written_is_named(
    finished: BakedProject, folder: str, stage: str, message: str
) -> None:
    # Given a finished pipeline with a folder that nobody may write to
    place = finished.path / folder
    place.chmod(0o555)
    try:
        # When a stage wants to
        command = ["governance", "stage", stage]
        done = finished.run(as_nobody(command), code=2)
    finally:
        place.chmod(0o755)
    # Then the first line says where and why, without a traceback
    assert f"{stage}: {message}" in done.stderr.splitlines()[0]
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_gate_says_that_it_cannot_write_its_decision(finished: BakedProject) -> None:
    # Given a decision to be withdrawn in a folder that nobody may write to
    policy = "conf/policy/base.yaml"
    finished.write(policy, finished.read(policy).replace("block: 0.65", "block: 0.99"))
    reports = finished.path / "reports"
    reports.chmod(0o555)
    try:
        command = ["governance", "gate"]
        done = finished.run(as_nobody(command), code=2)
    finally:
        reports.chmod(0o755)
    # Then it does not allow, and says so in one line
    assert done.stderr.strip() == (
        "governance: cannot delete reports/index.html: Permission denied; "
        "it is out of date, so make its folder writable and run the command again"
    )

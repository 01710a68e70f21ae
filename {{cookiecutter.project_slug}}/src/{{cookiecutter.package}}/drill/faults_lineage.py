"""Faults in what belongs together: `dvc.yaml`, `dvc.lock`, code, tables, evidence, environment."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable
from typing import Any

from .. import evidence, tables
from ..evidence import FOLDER, path_of
from ..governance.repository import git
from ..problem import Problem
from .fault import Fault, Nothing, Sign
from .scratch import PACKAGE, Scratch

LINEAGE, PUSHED = ("check", "lineage"), ("check", "pushed")
LOCK, UV, PYTHON = "dvc.lock", "uv.lock", ".python-version"
TRAIN = f"src/{PACKAGE}/pipeline/train.py"
DECISION = "reports/decision.json"
POINTER = f"outs:\n- md5: {'a' * 32}\n  hash: md5\n  path: {{}}\n"


def _append(scratch: Scratch, name: str, text: str) -> None:
    with (scratch.project / name).open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def frozen(scratch: Scratch) -> Sign:
    """Freeze a stage: DVC never runs it again, and says that all is up to date."""
    scratch.edit_yaml("dvc.yaml", lambda whole: whole["stages"]["fairness"].update(frozen=True))
    scratch.commit("Fairness is fine")
    return Sign(r"dvc\.yaml: .*fairness.*frozen")


def stages(scratch: Scratch) -> Sign:
    """Let stages read, write, run something else than what has run."""

    def other(whole: Any) -> None:
        asked = whole["stages"]
        asked["drift"]["deps"] = ["LICENSE"]
        asked["explain"]["outs"].append("reports/drill.txt")
        asked["fairness"]["params"].append({"params.yaml": ["project"]})
        asked["validate"]["cmd"] = "cp a b"
        asked["drill"] = {"cmd": "cp a b"}
        del asked["document"]

    scratch.edit_yaml("dvc.yaml", other)
    scratch.commit("Another line")
    return Sign(
        (
            "stage drift ran with other dependencies",
            "stage explain ran with other outputs",
            "stage fairness ran with other parameters",
            r"stage \w+ does not run its own module",
            r"dvc\.lock: stage validate ran 'python",
            r"dvc\.lock: stage drill never ran",
            r"dvc\.lock: stage document is not in dvc\.yaml",
        )
    )


def changed(scratch: Scratch) -> Sign:
    """Change code, configuration, contract and source, and run nothing."""
    contract, read = scratch.params().data.contract, evidence.load("ingest", scratch.project).body
    _append(scratch, TRAIN, "\n# another line\n")
    _append(scratch, contract, "\n")
    scratch.edit_yaml("conf/config.yaml", lambda values: values.update(seed=values["seed"] + 1))
    told = [f"^{TRAIN}: changed since train ran", f"^{contract}: changed since validate ran"]
    told += [r"^conf/config\.yaml: seed \d+ → \d+ since [a-z, ]* ran"]
    if read.source == "file" and (scratch.project / read.uri).is_file():
        _append(scratch, read.uri, "\n")
        told.append(f"^{re.escape(read.uri)}: changed since ingest")
    if (scratch.project / UV).is_file():
        (scratch.project / UV).unlink()
        told.append(rf"^{UV}: is missing, and evidence needs its environment")
    pointer = POINTER.format("drill.txt")
    scratch.plant({"docs/drill.txt": "words\n", "docs/drill.txt.dvc": pointer})
    return Sign((*told, r"^docs/drill\.txt: is not what docs/drill\.txt\.dvc says"))


def environment(scratch: Scratch) -> Sign:
    """Change versions and files of packages, what is asked for, and Python."""
    if not (scratch.project / UV).is_file():
        raise Nothing(f"there is no {UV}")
    _bring_evidence_again(scratch)
    text = (scratch.project / UV).read_text(encoding="utf-8")
    tools = {
        re.sub(r"[-_.]+", "-", name).lower()
        for one in evidence.collect(scratch.project).values()
        for name in ({} if isinstance(one, str) else one.tools)
    }
    packages = {one["name"]: one for one in tomllib.loads(text)["package"]}
    needed = {
        dep["name"]: None
        for name in sorted(tools & packages.keys())
        for dep in packages[name].get("dependencies", [])
        if dep["name"] not in tools
    }
    tool, (deep, alike, *_) = min(tools & packages.keys()), needed
    for name in (tool, deep):
        line = f'name = "{name}"\nversion = "{packages[name]["version"]}'
        text = text.replace(line, f"{line}.9")
    head, mark, tail = text.partition(f'\n[[package]]\nname = "{alike}"\n')
    own, end, rest = tail.partition("\n[[package]]\n")
    own = own.replace('hash = "sha256:', 'hash = "sha256:0')
    asked = (scratch.project / "pyproject.toml").read_text(encoding="utf-8")
    asked = asked.replace("\ndependencies = [\n", '\ndependencies = [\n  "drill>=1",\n')
    _write(scratch, {UV: head + mark + own + end + rest, PYTHON: "3.9\n", "pyproject.toml": asked})
    scratch.commit("Another environment")
    return Sign(
        (
            *(rf"^{UV}: {re.escape(name)} \S+ → \S+\.9 since " for name in (tool, deep)),
            rf"^{UV}: {re.escape(alike)} has other files under the same version",
            rf"^{re.escape(PYTHON)}: .* → 3\.9 since ",
            r"^pyproject\.toml: asks for drill >=1",
        )
    )


def _write(scratch: Scratch, files: dict[str, str]) -> None:
    for name, text in files.items():
        (scratch.project / name).write_text(text, encoding="utf-8", newline="\n")


def _bring_evidence_again(scratch: Scratch) -> None:
    """Commit the evidence anew, with the environment beside it."""
    folder = scratch.project / FOLDER
    folder.rename(scratch.home / "now" / "evidence")
    scratch.commit("No evidence")
    shutil.move(scratch.home / "now" / "evidence", folder)
    scratch.commit("The evidence")


def stale_lock(scratch: Scratch) -> Sign:
    """Commit a lock that speaks of another table than the evidence, and not even of one."""

    def other(lock: Any) -> None:
        ran = lock["stages"]
        for stage in ran.values():
            for one in (*stage.get("deps", []), *stage.get("outs", [])):
                if one["path"] == tables.RAW.as_posix():
                    one["md5"] = "0" * 32
        for one in ran["drift"]["deps"]:
            if one["path"] == "data/split":
                one["md5"] = f"{'0' * 32}.dir"

    scratch.edit_yaml(LOCK, other)
    scratch.commit("Another table")
    return Sign(
        (
            r"data/raw\.parquet: is not what ingest wrote",
            r"dvc\.lock: drift read another data/split than split wrote",
        )
    )


def lost_lock(scratch: Scratch) -> Sign:
    """Commit results without a lock."""
    (scratch.project / LOCK).unlink()
    scratch.commit("No lock")
    return Sign(r"reports/evidence/drift\.json: is here without a dvc\.lock")


def by_nobody(scratch: Scratch) -> Sign:
    """Commit evidence that no stage has written, and not all that one has."""

    def better(found: dict[str, Any]) -> None:
        found["metrics"]["max_psi_quantile10"].update(value=0.0)
        found["subject"]["inputs"]["data/drill.parquet"] = f"sha256:{'0' * 64}"

    edited, lost, left = (path_of(gate).as_posix() for gate in ("drift", "explain", "fairness"))
    scratch.edit(edited, better)
    (scratch.project / lost).unlink()
    scratch.commit("Better evidence")
    git(scratch.project, "rm", "--quiet", "--cached", "--", left)
    return Sign(
        (
            rf"{edited}: is not what drift wrote",
            rf"{edited}: is about data/drill\.parquet, which stage drift neither reads nor writes",
            rf"{lost}: is missing, and explain wrote it",
            rf"{left}: is not in git, and dvc\.lock is",
        )
    )


def _locked(scratch: Scratch, name: str, change: Callable[[Any], None]) -> None:
    """Edit a file and let the lock speak of the new one, as `dvc commit --force` does."""
    if scratch.clean("measured", LINEAGE).code:
        said = scratch.clean("measured", LINEAGE).lines[0]
        raise Problem(f"lineage is red without a fault, and tells no more: {said}")
    scratch.edit(name, change)
    scratch.dvc("commit", "--force", "--quiet")
    scratch.commit("Better evidence")


def about_another(scratch: Scratch) -> Sign:
    """Let evidence be about another table, and the lock agree."""
    raw = tables.RAW.as_posix()

    def other(found: dict[str, Any]) -> None:
        found["subject"]["inputs"][raw] = f"sha256:{'0' * 64}"

    _locked(scratch, path_of("split").as_posix(), other)
    return Sign(rf"evidence of split is stale: {re.escape(raw)} is not the file that was measured")


def decided(scratch: Scratch) -> Sign:
    """Write the verdict by hand, and let the lock agree."""
    verdicts = {"allow": "deny", "deny": "allow"}
    _locked(scratch, DECISION, lambda found: found.update(verdict=verdicts[found["verdict"]]))
    return Sign(rf"{DECISION}: is not what the policy makes of the evidence: verdict")


def foreign(scratch: Scratch) -> Sign:
    """Let a stage run code of which no evidence speaks."""
    _append(scratch, TRAIN, "\nimport drill_helper\n")
    scratch.plant({"drill_helper.py": "A = 1\n"})
    return Sign("train.py imports drill_helper, which no evidence speaks of")


def unpushed(scratch: Scratch) -> Sign:
    """Take an object out of a remote that had everything, and name one that never was."""
    remote = scratch.home / "now" / "remote"
    own = f"['remote \"drill\"']\n    url = {remote.as_posix()}\n"
    _write(scratch, {".dvc/config.local": own})
    scratch.dvc("push", "--quiet")
    lock = (scratch.project / LOCK).read_text(encoding="utf-8")
    found = re.search(rf"path: {tables.RAW.as_posix()}\n\s+hash: md5\n\s+md5: (\w+)", lock)
    if found is None:
        raise Problem(f"{LOCK} names no {tables.RAW.as_posix()}")
    (remote / "files" / "md5" / found[1][:2] / found[1][2:]).unlink()
    scratch.plant({"data/source/drill.csv.dvc": POINTER.format("drill.csv")})
    gone = "is not in DVC's remote, and .*; run `uv run dvc"
    return Sign((rf"raw\.parquet: {gone} push", rf"drill\.csv: {gone} repro`, then"))


FAULTS = (
    Fault("frozen-stage", "a stage never runs again", (13,), LINEAGE, frozen),
    Fault("other-stage", "stages are not what has run", (13,), LINEAGE, stages),
    Fault("unrun-change", "code and configuration changed", (15,), LINEAGE, changed),
    Fault("other-packages", "the environment changed", (15,), LINEAGE, environment),
    Fault("foreign-code", "a stage runs code from elsewhere", (15,), LINEAGE, foreign),
    Fault("stale-lock", "dvc.lock has another table", (15,), LINEAGE, stale_lock),
    Fault("lost-lock", "dvc.lock is gone", (15,), LINEAGE, lost_lock),
    Fault("edited-evidence", "evidence by hand", (13,), LINEAGE, by_nobody),
    Fault("locked-evidence", "it is about another table", (13,), LINEAGE, about_another),
    Fault("edited-decision", "the verdict by hand", (13,), LINEAGE, decided),
    Fault("unpushed-data", "data that the remote has lost", (15,), PUSHED, unpushed),
)

"""Faults in lineage: `dvc.yaml`, `dvc.lock`, code, tables and evidence that do not match."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from governed_ml.core import evidence, tables
from governed_ml.core.code import team
from governed_ml.core.evidence import path_of
from governed_ml.core.problem import Problem
from governed_ml.core.repository import git
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch

LINEAGE = ("check", "lineage")
LOCK, UV = "dvc.lock", "uv.lock"
DECISION = "reports/decision.json"
POINTER = f"outs:\n- md5: {'a' * 32}\n  hash: md5\n  path: {{}}\n"


def _append(scratch: Scratch, name: str, text: str) -> None:
    with (scratch.project / name).open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _training(scratch: Scratch) -> str:
    return f"src/{team.name(scratch.project)}/training.py"


def frozen(scratch: Scratch) -> Sign:
    """Freeze a stage, so that DVC never runs it again and reports everything as up to date."""
    scratch.edit_yaml("dvc.yaml", lambda whole: whole["stages"]["fairness"].update(frozen=True))
    scratch.commit("Fairness is fine")
    return Sign(r"dvc\.yaml: .*fairness.*frozen")


def stages(scratch: Scratch) -> Sign:
    """Change what stages read, write and run, after they ran."""

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
            r"stage \w+ runs .* instead of its own module",
            r"dvc\.lock: stage validate ran 'governance",
            r"dvc\.lock: stage drill never ran",
            r"dvc\.lock: stage document is not in dvc\.yaml",
        )
    )


def changed(scratch: Scratch) -> Sign:
    """Change code, configuration, contract and source without running the pipeline."""
    contract, read = scratch.params().data.contract, evidence.load("ingest", scratch.project).body
    training = _training(scratch)
    _append(scratch, training, "\n# another line\n")
    _append(scratch, contract, "\n")
    scratch.edit_yaml("conf/config.yaml", lambda values: values.update(seed=values["seed"] + 1))
    told = [
        f"^{re.escape(training)}: it changed since train ran",
        f"^{contract}: it changed since validate ran",
    ]
    told += [r"^conf/config\.yaml: seed \d+ → \d+ since [a-z, ]* ran"]
    if read.source == "file" and (scratch.project / read.uri).is_file():
        _append(scratch, read.uri, "\n")
        told.append(f"^{re.escape(read.uri)}: it changed since ingest")
    if (scratch.project / UV).is_file():
        (scratch.project / UV).unlink()
        told.append(rf"^{UV}: it is missing, but evidence must name its environment")
    pointer = POINTER.format("drill.txt")
    scratch.plant({"docs/drill.txt": "words\n", "docs/drill.txt.dvc": pointer})
    return Sign((*told, r"^docs/drill\.txt: it is not what docs/drill\.txt\.dvc says"))


def stale_lock(scratch: Scratch) -> Sign:
    """Commit a lock that names another table than the evidence, and is inconsistent itself."""

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
            r"data/raw\.parquet: it is not what ingest wrote",
            r"dvc\.lock: drift read data/split with other content than split wrote",
        )
    )


def lost_lock(scratch: Scratch) -> Sign:
    """Commit results without a lock."""
    (scratch.project / LOCK).unlink()
    scratch.commit("No lock")
    return Sign(r"reports/evidence/drift\.json: it exists, but dvc\.lock")


def by_nobody(scratch: Scratch) -> Sign:
    """Commit evidence that no stage wrote, and only part of what a stage wrote."""

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
            rf"{edited}: it is not what drift wrote",
            rf"{edited}: it is about data/drill\.parquet, which stage drift neither reads nor",
            rf"{lost}: it is missing, but explain wrote it",
            rf"{left}: it is not in git, but dvc\.lock is",
        )
    )


def _locked(scratch: Scratch, name: str, change: Callable[[Any], None]) -> None:
    """Edit a file and update its digest in the lock, as `dvc commit --force` does."""
    if scratch.clean("measured", LINEAGE).code:
        said = scratch.clean("measured", LINEAGE).lines[0]
        raise Problem(
            "the check lineage fails without a fault already, so another one would not show: "
            f"{said}"
        )
    scratch.edit(name, change)
    scratch.dvc("commit", "--force", "--quiet")
    scratch.commit("Better evidence")


def about_another(scratch: Scratch) -> Sign:
    """Make evidence name another table, and update the lock."""
    raw = tables.RAW.as_posix()

    def other(found: dict[str, Any]) -> None:
        found["subject"]["inputs"][raw] = f"sha256:{'0' * 64}"

    _locked(scratch, path_of("split").as_posix(), other)
    return Sign(rf"evidence of split is stale: {re.escape(raw)} has changed since it was measured")


def decided(scratch: Scratch) -> Sign:
    """Edit the verdict by hand, and update the lock."""
    verdicts = {"allow": "deny", "deny": "allow"}
    _locked(scratch, DECISION, lambda found: found.update(verdict=verdicts[found["verdict"]]))
    return Sign(rf"{DECISION}: it is not what the policy makes of the evidence: verdict")


def foreign(scratch: Scratch) -> Sign:
    """Make a stage run code that no evidence covers."""
    _append(scratch, _training(scratch), "\nimport drill_helper\n")
    scratch.plant({"drill_helper.py": "A = 1\n"})
    return Sign(r"training\.py imports drill_helper, whose code is not part of any digest")


FAULTS = (
    Fault("frozen-stage", "a stage never runs again", (13,), LINEAGE, frozen),
    Fault("other-stage", "stages were changed after they ran", (13,), LINEAGE, stages),
    Fault("unrun-change", "code and configuration changed after the run", (15,), LINEAGE, changed),
    Fault("foreign-code", "a stage runs code that no digest covers", (15,), LINEAGE, foreign),
    Fault("stale-lock", "dvc.lock and evidence name different tables", (15,), LINEAGE, stale_lock),
    Fault("lost-lock", "dvc.lock was deleted", (15,), LINEAGE, lost_lock),
    Fault("edited-evidence", "evidence was edited by hand", (13,), LINEAGE, by_nobody),
    Fault(
        "locked-evidence", "evidence was moved to a different table", (13,), LINEAGE, about_another
    ),
    Fault("edited-decision", "the verdict was edited by hand", (13,), LINEAGE, decided),
)

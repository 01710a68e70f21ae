"""Faults around the pipeline: its installed packages, and the data in the remote."""

from __future__ import annotations

import re
import shutil
import tomllib

from governed_ml.core import evidence, tables
from governed_ml.core.evidence import FOLDER
from governed_ml.core.problem import Problem
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault, Nothing
from governed_ml.drill.faults.lineage import LINEAGE, LOCK, POINTER, UV
from governed_ml.drill.scratch import Scratch

PYTHON = ".python-version"
PUSHED = ("check", "pushed")


def environment(scratch: Scratch) -> Sign:
    """Change versions and files of packages, the requirements, and Python's version."""
    if not (scratch.project / UV).is_file():
        raise Nothing(f"there is no {UV}")
    _bring_evidence_again(scratch)
    text = (scratch.project / UV).read_text(encoding="utf-8")
    tools = {
        re.sub(r"[-_.]+", "-", name).lower()
        for one in evidence.usable(evidence.collect(scratch.project)).values()
        for name in one.tools
    }
    packages = {one["name"]: one for one in tomllib.loads(text)["package"]}
    needed = {
        dep["name"]: None
        for name in sorted(tools & packages.keys())
        for dep in packages[name].get("dependencies", [])
        if dep["name"] not in tools
    }
    if len(needed) < 2:
        raise Nothing(f"evidence names no tool of {UV} that needs two other packages")
    tool, (deep, alike, *_) = min(tools & packages.keys()), needed
    for name in (tool, deep):
        line = f'name = "{name}"\nversion = "{packages[name]["version"]}'
        text = text.replace(line, f"{line}.9")
    head, mark, tail = text.partition(f'\n[[package]]\nname = "{alike}"\n')
    own, end, rest = tail.partition("\n[[package]]\n")
    own = own.replace('hash = "sha256:', 'hash = "sha256:0')
    asked = (scratch.project / "pyproject.toml").read_text(encoding="utf-8")
    asked = asked.replace("\ndependencies = [", '\ndependencies = ["drill>=1", ', 1)
    _write(scratch, {UV: head + mark + own + end + rest, PYTHON: "3.9\n", "pyproject.toml": asked})
    scratch.commit("Another environment")
    return Sign(
        (
            *(rf"^{UV}: {re.escape(name)} \S+ → \S+\.9 since " for name in (tool, deep)),
            rf"^{UV}: the files of {re.escape(alike)} changed under the same version",
            rf"^{re.escape(PYTHON)}: .* → 3\.9 since ",
            r"^pyproject\.toml: it asks for drill >=1",
        )
    )


def _write(scratch: Scratch, files: dict[str, str]) -> None:
    for name, text in files.items():
        (scratch.project / name).write_text(text, encoding="utf-8", newline="\n")


def _bring_evidence_again(scratch: Scratch) -> None:
    """Commit the evidence again, together with the current lock file."""
    folder = scratch.project / FOLDER
    folder.rename(scratch.home / "now" / "evidence")
    scratch.commit("No evidence")
    shutil.move(scratch.home / "now" / "evidence", folder)
    scratch.commit("The evidence")


def unpushed(scratch: Scratch) -> Sign:
    """Delete an object from a complete remote, and name an object that was never pushed."""
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
    gone = "it is not in DVC's remote, but .*; "
    lost = rf"drill\.csv: {gone}it is not here either"
    return Sign((rf"raw\.parquet: {gone}run `uv run dvc push", lost))


FAULTS = (
    Fault(
        "other-packages",
        "the packages changed since evidence was made",
        (15,),
        LINEAGE,
        environment,
    ),
    Fault("unpushed-data", "data are missing in DVC's remote", (15,), PUSHED, unpushed),
)

"""Check that the running engine is the pinned one, and that nothing can replace its modules.

This covers files of the project (modules named like a library, `uv.toml`, the lock's sources) and
the running process (variables, start-up hooks, changed files of the engine and its libraries). A
`conftest.py` is allowed, because only pytest imports it, and nothing that judges runs pytest.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from governed_ml.checks import lock_sources, stand_ins
from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.lock_sources import Table
from governed_ml.core.code import engine, team
from governed_ml.core.code.engine import DISTRIBUTION, Identity
from governed_ml.core.installation import lockfile, trusted
from governed_ml.core.installation.lockfile import LOCK, METADATA
from governed_ml.core.problem import Problem, cause

SETTINGS = "uv.toml"


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find everything in the project that could run in place of the pinned engine or a library."""
    project = _toml(base)
    packages = lockfile.parse(_text(base, LOCK)) if (base / LOCK).is_file() else []
    found = [
        CheckFinding(one.where, f"it {one.reason}", one.fix) for one in trusted.found("judging")
    ]
    found += stand_ins.findings(base, team.name(base), {str(one["name"]) for one in packages})
    if (base / SETTINGS).is_file():
        what = (
            f"uv reads it instead of [tool.uv] in {METADATA}, so packages may come from "
            "another place"
        )
        found.append(CheckFinding(SETTINGS, what, "delete it"))
    found += [*lock_sources.settings(project), *lock_sources.lock(project, packages)]
    found += _installed(project, engine.identity())
    return list(dict.fromkeys(found))


def _installed(project: Table, who: Identity) -> Iterator[CheckFinding]:
    """Compare the running engine with the pin.

    An engine that is pinned to a folder is only noted.
    """
    source = lock_sources.sources(project).get(DISTRIBUTION, [{}])[0]
    folder = "path" in source and not str(source["path"]).endswith(".whl")
    if folder and who.kind in ("folder", "editable"):
        print(
            f"note: {METADATA} takes the engine from the folder {source['path']}, which may "
            "change at any time, so this project cannot register or promote a model",
            file=sys.stderr,
        )
        return
    if "git" in source:
        pinned = who.kind == "git" and who.commit == source.get("rev")
    else:
        pinned = who.pinned and who.kind != "git"
    if folder or not pinned:
        wanted = str(source.get("index", source.get("path", "an index")))
        wanted = str(source["rev"])[:12] if "rev" in source else wanted
        what = f"it pins the engine {wanted}, but {who} runs"
        yield CheckFinding(METADATA, what, "run `uv sync`")


def _toml(base: Path) -> Table:
    try:
        return tomllib.loads(_text(base, METADATA))
    except ValueError as error:
        raise Problem(f"{METADATA} cannot be read ({cause(error)}): restore it with git") from error


def _text(base: Path, name: str) -> str:
    try:
        return (base / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Problem(f"{name} cannot be read ({cause(error)}): restore it with git") from error

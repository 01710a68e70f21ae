"""Writes the engine's manifest from the template: `python tasks.py manifest [--release]`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from governed_ml.core.files import as_json
from governed_ml.scaffold import manifest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
TARGET = ROOT / "src/governed_ml/scaffold/manifest.json"
# Copied verbatim into every project; the other actions are the team's.
VERBATIM = re.compile(r"\.github/(workflows/.+\.yml|actions/(data|ledger)-access/.+)")


def made(known: dict[str, list[str]], *, release: bool = False) -> dict[str, Any]:
    """The manifest of the template as it is; what earlier releases had stays accepted.

    The first digest of a file is that of the template; `release` keeps it for good.
    """
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."]
    listed = subprocess.run(words, cwd=TEMPLATE, capture_output=True, text=True, check=True).stdout
    names = sorted({name for name in listed.split("\0") if VERBATIM.fullmatch(name)})
    files: dict[str, list[str]] = {}
    for name in names:
        digest = manifest.sha256((TEMPLATE / name).read_bytes())
        before = known.get(name, [])
        files[name] = [digest, *(before if release else before[1:])]
    pipeline = (TEMPLATE / "dvc.yaml").read_text(encoding="utf-8").partition("\nplots:")[0]
    pipeline = pipeline.replace("{{ cookiecutter.package }}", manifest.PACKAGE)
    hooks = (TEMPLATE / manifest.HOOKS).read_text(encoding="utf-8")
    return {
        "files": files,
        "hooks": manifest.hooks_of(hooks),
        "stages": manifest.stages_of(pipeline),
    }


def main(arguments: list[str]) -> None:
    """Write the manifest."""
    known = json.loads(TARGET.read_text(encoding="utf-8"))["files"] if TARGET.is_file() else {}
    TARGET.write_text(as_json(made(known, release="--release" in arguments)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

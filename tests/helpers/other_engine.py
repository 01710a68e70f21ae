"""Judge with an engine of which one module is another than the one that measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from governed_ml.core.code import stage_code


def edit(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code of stages be that of a copy of the engine in which a module was changed."""
    other = folder / stage_code.ENGINE.name
    shutil.copytree(stage_code.ENGINE, other, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / module).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    monkeypatch.setattr(stage_code, "ENGINE", other)
    monkeypatch.setattr(stage_code, "STAGES_FOLDER", other / "pipeline" / "stages")

"""A small environment that the drill may damage: a copy of the engine and what it judges with."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import venv
from pathlib import Path

from governed_ml.core.code import engine
from governed_ml.core.installation.distributions import judging
from governed_ml.drill.fault import Nothing


def make(target: Path) -> Path:
    """Copy the packages needed to judge into a new environment; return its Python.

    The real environment is only read.
    """
    if engine.identity().kind == "editable":
        raise Nothing("the engine runs from a folder, so there is no installation to damage")
    venv.create(target, symlinks=os.name != "nt", with_pip=False)
    home = Path(sys.prefix)
    for one in judging():
        for path, _ in one.record():
            source = Path(path)
            if source.is_file() and source.is_relative_to(home):
                place = target / source.relative_to(home)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
    return target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def packages(target: Path) -> Path:
    """Return the site-packages of an environment."""
    own = {"base": str(target), "platbase": str(target)}
    return Path(sysconfig.get_path("purelib", vars=own))

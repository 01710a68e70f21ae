"""A small environment: the engine and what it judges with, as they lie in the prepared one.

It is a copy, so a test may spoil it. Files are linked where the disk can, and a test replaces a
file and never writes into it.
"""

from __future__ import annotations

import os
import shutil
import sys
import venv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from baked import BakedProject

from governed_ml.core.installation.distributions import Installed, canonical, judging


def site_of(environment: Path) -> Path:
    """The site-packages of an environment."""
    if os.name == "nt":
        return environment / "Lib" / "site-packages"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return environment / "lib" / version / "site-packages"


def copy(environment: Path, target: Path) -> Path:
    """Copy what judges out of an environment into a new one."""
    venv.create(target, symlinks=os.name != "nt", with_pip=False)
    source = site_of(environment)
    wanted = {one.name for one in judging()}
    for info in source.glob("*.dist-info"):
        name = canonical(info.name.partition("-")[0])
        for path, _ in Installed(name, str(info)).record() if name in wanted else ():
            if Path(path).is_file():
                place = target / Path(path).relative_to(environment)
                place.parent.mkdir(parents=True, exist_ok=True)
                _link(path, str(place))
    return target


def again(environment: Path, target: Path) -> Path:
    """Copy a small environment, for one test."""
    return Path(shutil.copytree(environment, target, symlinks=True, copy_function=_link))


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def replaced(path: Path, content: bytes) -> None:
    """Put other content in the place of a file, and leave the file that it is linked to alone."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def engine_of(project: BakedProject, environment: Path) -> BakedProject:
    """The project with another environment."""
    return replace(project, environment=environment)


def command(*words: str) -> Sequence[str]:
    """The console script without its file, whose first line names the environment it came from."""
    return ["python", "-P", "-m", "governed_ml", *words]

"""Check the files that a commit deletes, because pre-commit runs no hook for deleted files."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.run import MODULES
from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem, cause, first_line
from governed_ml.core.repository import git

HOOKS = ".pre-commit-config.yaml"
WHOLE = ("scaffold", "config", "lineage")  # checks of the whole project


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Run the checks whose hooks would have run for the files that this commit deletes."""
    words = ("diff", "--cached", "--no-renames", "--diff-filter=D", "--name-only", "-z")
    gone = [name for name in git(base, *words).split("\0") if name]
    found: list[CheckFinding] = []
    for name in _concerned(base, gone) if gone else ():
        try:
            found += import_module(MODULES[name]).check(base, gone)
        except ImportError as error:  # the commit deletes a file that the check needs
            if not found:
                raise Problem(
                    f"{name} cannot run: {first_line(error)}; restore that file"
                ) from error
    return found


def _concerned(base: Path, gone: list[str]) -> list[str]:
    import yaml

    try:
        whole: Any = parse_yaml((base / HOOKS).read_text(encoding="utf-8"))
        files = {
            one["id"]: one.get("files", "") for repo in whole["repos"] for one in repo["hooks"]
        }
    except FileNotFoundError:
        return list(WHOLE)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise Problem(f"{HOOKS} cannot be read ({cause(error)}): restore it with git") from error
    return [one for one in WHOLE if any(re.search(files.get(one, ""), name) for name in gone)]

"""The installed distributions that a judgement depends on, and the files in their RECORD."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from governed_ml.core.code.engine import DISTRIBUTION

EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?")
COMPUTING = (
    *("numpy", "scipy", "scikit-learn", "fairlearn", "skops", "shap"),
    *("pandas", "pyarrow", "duckdb", "common-expression-language"),
    *("xgboost", "xgboost-cpu", "lightgbm", "catboost"),
)
"""Distributions that compute evidence or predictions. Those that only draw or store are left out.
"""
DRAWING = ("matplotlib", "plotly", "graphviz")
"""Distributions that CatBoost requires, and that compute nothing: their files are not checked."""


class Recorded(NamedTuple):
    """One line of a RECORD: the file's path, and `sha256=…` of its bytes (empty: not hashed)."""

    path: str
    digest: str


@dataclass(frozen=True)
class Installed:
    """One `*.dist-info` folder, read thirty times as fast as `importlib.metadata` does."""

    name: str
    info: str

    @property
    def site(self) -> str:
        """Return the folder that it was installed into, with a path separator at the end."""
        return self.info[: self.info.rindex(os.sep) + 1]

    def requires(self) -> list[str]:
        """Return the lines of `Requires-Dist`."""
        head = self._read("METADATA").partition("\n\n")[0]
        found = (line.partition(": ") for line in head.splitlines())
        return [value for key, _, value in found if key == "Requires-Dist"]

    def record(self) -> list[Recorded]:
        """Return the files that RECORD lists; empty if there is no RECORD.

        Paths are text, because an environment has 40,000 files and making a `Path` of each takes
        seconds.
        """
        site, found = self.site, list[Recorded]()
        for row in csv.reader(self._read("RECORD").splitlines()):
            if len(row) == 3:
                name = row[0].replace("/", os.sep)
                odd = name.startswith("..") or os.path.isabs(name)  # noqa: PTH117
                path = os.path.normpath(site + name) if odd else site + name
                found.append(Recorded(path, row[1]))
        return found

    def names(self, word: str) -> bool:
        """Return whether RECORD contains a word."""
        return word in self._read("RECORD")

    def _read(self, name: str) -> str:
        try:
            with open(self.info + os.sep + name, encoding="utf-8") as file:  # noqa: PTH123
                return file.read()
        except (OSError, ValueError):
            return ""


@cache
def installed() -> dict[str, Installed]:
    """Return canonical name → distribution. Of duplicates, it is the one that Python imports."""
    found: dict[str, Installed] = {}
    for folder in sys.path:
        try:
            names = sorted(os.listdir(folder)) if folder else []  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                own = canonical(name.partition("-")[0])
                info = os.path.join(os.path.abspath(folder), name)  # noqa: PTH100, PTH118
                found.setdefault(own, Installed(own, info))
    return found


def canonical(name: str) -> str:
    """Return a distribution's normalised name (PEP 503), as lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def judging() -> list[Installed]:
    """Return the engine and every distribution that it needs to judge (about 20)."""
    return _closure([DISTRIBUTION])


def computing() -> list[Installed]:
    """Return the engine and every distribution that computes evidence or predictions (about 45)."""
    return _closure([DISTRIBUTION, *COMPUTING])


def _closure(start: Iterable[str]) -> list[Installed]:
    """Return the installed distributions among `start`, and what they require to compute."""
    there, seen = installed(), set[tuple[str, str]]()
    todo = [(name, "") for name in start]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name not in there or name in DRAWING:
            continue
        seen.add((name, extras))
        for text in there[name].requires():
            match, asked = REQUIREMENT.match(text), EXTRA.search(text)
            if match and (asked is None or asked[1] in extras.split(",")):
                todo.append((canonical(match[1]), (match[2] or "").replace(" ", "")))
    return [there[name] for name in sorted({name for name, _ in seen})]

"""The installed distributions behind a judgement: which there are, and their files by RECORD."""

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
)
"""What computes a number of the evidence, or a prediction. Not here: what draws or stores."""


class Recorded(NamedTuple):
    """One line of a RECORD: the file's path, and `sha256=…` of its bytes (empty: not hashed)."""

    path: str
    digest: str


@dataclass(frozen=True)
class Installed:
    """One `*.dist-info` folder. `importlib.metadata` reads the same, thirty times as slowly."""

    name: str
    info: str

    @property
    def site(self) -> str:
        """Return the folder that it was installed into, with a separator at its end."""
        return self.info[: self.info.rindex(os.sep) + 1]

    def requires(self) -> list[str]:
        """Return the lines of `Requires-Dist`."""
        head = self._read("METADATA").partition("\n\n")[0]
        found = (line.partition(": ") for line in head.splitlines())
        return [value for key, _, value in found if key == "Requires-Dist"]

    def record(self) -> list[Recorded]:
        """Return the files by RECORD; none without one.

        Paths are text: an environment has 40,000 files, and a `Path` of each takes seconds.
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
        """Return whether RECORD has a word in it."""
        return word in self._read("RECORD")

    def _read(self, name: str) -> str:
        try:
            with open(self.info + os.sep + name, encoding="utf-8") as file:  # noqa: PTH123
                return file.read()
        except (OSError, ValueError):
            return ""


@cache
def installed() -> dict[str, Installed]:
    """Return canonical name → distribution; of several of one name the one that is imported."""
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
    """Return a distribution's name as lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def judging() -> list[Installed]:
    """Return the engine and all that it needs to judge (about 20)."""
    return _closure([DISTRIBUTION])


def computing() -> list[Installed]:
    """Return the engine and all that computes evidence or predictions (about 45)."""
    return _closure([DISTRIBUTION, *COMPUTING])


def _closure(start: Iterable[str]) -> list[Installed]:
    """Return the distributions that are installed of some, and of all that these require."""
    there, seen = installed(), set[tuple[str, str]]()
    todo = [(name, "") for name in start]
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name not in there:
            continue
        seen.add((name, extras))
        for text in there[name].requires():
            match, asked = REQUIREMENT.match(text), EXTRA.search(text)
            if match and (asked is None or asked[1] in extras.split(",")):
                todo.append((canonical(match[1]), (match[2] or "").replace(" ", "")))
    return [there[name] for name in sorted({name for name, _ in seen})]

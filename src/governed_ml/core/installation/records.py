"""Check that installed files match their RECORD, and that no module was added.

This finds changed content. It cannot prove that an environment is honest: whoever may write to it
may also write its RECORD. So models must be judged in an environment where the team's code never
ran.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from governed_ml.core.installation.distributions import Installed, installed

MODULES = tuple(all_suffixes())  # `.py`, `.pyc`, `.so`, …


def differing(some: Iterable[Installed]) -> Iterator[tuple[Path, str]]:
    """Yield each file that is missing or differs from the installed one, and what is wrong."""
    for one in some:
        lines, name = one.record(), one.name
        if not lines:
            yield Path(one.site), f"has no file RECORD of {name}"
        for path, digest in lines:
            if not digest:
                continue
            try:
                unchanged = same(path, digest)
            except OSError:
                yield Path(path), f"belongs to {name}, and is gone or cannot be read"
                continue
            if not unchanged:
                yield Path(path), f"is not what was installed with {name}"


def added(some: Iterable[Installed]) -> Iterator[tuple[Path, str]]:
    """Yield each module in the distributions' packages that no RECORD lists, and what is wrong."""
    known, packages = set[str](), dict[str, str]()
    for one in some:
        home = one.site
        for path, _ in one.record():
            known.add(path)
            if path.startswith(home):
                top, inside, _ = path[len(home) :].partition(os.sep)
                if inside and not top.endswith((".dist-info", "__pycache__")):
                    packages.setdefault(home + top, one.name)
    strange = [(path, packages[top]) for top in sorted(packages) for path in _modules(top)]
    strange = [(path, name) for path, name in strange if path not in known]
    if strange:  # another distribution may have installed it
        known |= {line.path for one in installed().values() for line in one.record()}
    for path, name in strange:
        if path not in known:
            yield Path(path), f"was added to {name} after its installation"


def _modules(top: str) -> Iterator[str]:
    """Yield the modules below a folder, without cached bytecode, which `bytecode` checks."""
    for where, folders, names in os.walk(top):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        yield from (os.path.join(where, one) for one in names if one.endswith(MODULES))  # noqa: PTH118


def same(path: str, digest: str) -> bool:
    """Return whether a file's content matches the digest in its RECORD."""
    algorithm, _, wanted = digest.partition("=")
    with open(path, "rb") as file:  # noqa: PTH123 - see `record`
        found = hashlib.file_digest(file, algorithm).digest()
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode() == wanted

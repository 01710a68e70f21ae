"""The engine that is running: its version, the digest of its files, and where it came from.

The digest covers every file of the installed package (relative path → bytes), so two installations
of one commit have the same digest, and an edited one has another.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from governed_ml.core.files import digest_of, file_digest

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "governed-ml"
HOME = Path(__file__).parents[2]
"""The folder of the package that is running."""

Kind = Literal["git", "index", "archive", "folder", "editable", "elsewhere"]
PINNED: tuple[Kind, ...] = ("git", "index", "archive")


@dataclass(frozen=True)
class Identity:
    """Which engine this is. `digest` is of its files; `address` and `commit` are where it is from.

    `kind`: `git` (a commit), `index` (a release), `archive` (a wheel or an sdist by its address),
    `folder` or `editable` (a working tree, which may change), `elsewhere` (what runs is not what
    the environment has installed).
    """

    version: str
    digest: str
    kind: Kind
    address: str = ""
    commit: str | None = None

    @property
    def pinned(self) -> bool:
        """Return whether the lock file fixes the engine: a working tree may change any time."""
        return self.kind in PINNED

    def stated(self) -> dict[str, str]:
        """Return what evidence, decisions and releases name: version and digest."""
        return {"version": self.version, "digest": self.digest}

    def __str__(self) -> str:
        """Return e.g. `0.3.0 (sha256:0f3c6a1b29d4, commit 667a0436d1c2)`."""
        at = f", commit {self.commit[:12]}" if self.commit else f", {self.kind}"
        return f"{self.version} ({self.digest[:19]}{at})"


@cache
def identity() -> Identity:
    """Return the identity of the running engine; computed once a process (about 20 ms)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return Identity("unknown", digest(), "elsewhere", str(HOME))
    kind, address, commit = origin(installed)
    return Identity(installed.version, digest(), kind, address, commit)


@cache
def digest(home: Path = HOME) -> str:
    """Return the digest of a package's files, without bytecode."""
    return digest_of({path.relative_to(home).as_posix(): file_digest(path) for path in files(home)})


def files(home: Path = HOME) -> list[Path]:
    """Return the files of a package, sorted; what Python caches is none of them."""
    found = [
        (folder, name)
        for folder, _, names in os.walk(home)  # `Path.rglob` takes five times as long
        for name in names
        if not name.endswith(".pyc") and os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118
    ]
    return sorted(Path(folder, name) for folder, name in found)


def origin(installed: Distribution, home: Path = HOME) -> tuple[Kind, str, str | None]:
    """Return kind, address and commit of an installed distribution, by PEP 610.

    An index leaves no `direct_url.json`. What runs from another folder is `elsewhere`.
    """
    direct = _direct(installed)
    address, commit = str(direct.get("url", "")), None
    info: dict[str, Any] = direct.get("dir_info", {})
    if info.get("editable"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        source = Path(url2pathname(urlsplit(address).path))
        inside = home.resolve().is_relative_to(source.resolve())
        return ("editable" if inside else "elsewhere"), address, None
    if Path(str(installed.locate_file(home.name))).resolve() != home.resolve():
        return "elsewhere", str(home), None
    if "vcs_info" in direct:
        commit = str(direct["vcs_info"].get("commit_id")) or None
        return "git", address, commit
    kind: Kind = "folder" if "dir_info" in direct else "archive" if direct else "index"
    return kind, address, None


def _direct(installed: Distribution) -> dict[str, Any]:
    """Return `direct_url.json`; one that cannot be read is a folder: nothing is known of it."""
    text = installed.read_text("direct_url.json")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"dir_info": {}}
    return found if isinstance(found, dict) else {"dir_info": {}}

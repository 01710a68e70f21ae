"""The running engine: its version, the digest of its files, and where it was installed from.

The digest covers the relative path and the bytes of every file of the installed package. Two
installations of one commit therefore have the same digest, and an edited one has another.
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
    """Identifies an engine: its version, the digest of its files, and where it was installed from.

    `kind` is `git` (a commit), `index` (a release), `archive` (a wheel or sdist, by its URL),
    `folder` or `editable` (a working tree, which may change), or `elsewhere` (the running package
    is not the one that the environment has installed). `address` and `commit` give the source,
    where it has one.
    """

    version: str
    digest: str
    kind: Kind
    address: str = ""
    commit: str | None = None

    @property
    def pinned(self) -> bool:
        """Return whether a lock file can pin this engine. It cannot pin a working tree."""
        return self.kind in PINNED

    def stated(self) -> dict[str, str]:
        """Return the version and the digest, as evidence, decisions and releases record them."""
        return {"version": self.version, "digest": self.digest}

    def __str__(self) -> str:
        """Return e.g. `0.4.0 (sha256:0f3c6a1b29d4, commit 667a0436d1c2)`."""
        at = f", commit {self.commit[:12]}" if self.commit else f", {self.kind}"
        return f"{self.version} ({self.digest[:19]}{at})"


@cache
def identity() -> Identity:
    """Return the identity of the running engine. It is computed once per process (about 20 ms)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return Identity("unknown", digest(), "elsewhere", str(HOME))
    kind, address, commit = origin(installed)
    return Identity(installed.version, digest(), kind, address, commit)


@cache
def digest(home: Path = HOME) -> str:
    """Return the SHA-256 digest of a package's files, without cached bytecode."""
    return digest_of({path.relative_to(home).as_posix(): file_digest(path) for path in files(home)})


def files(home: Path = HOME) -> list[Path]:
    """Return the files of a package, sorted, without Python's cached bytecode."""
    found = [
        (folder, name)
        for folder, _, names in os.walk(home)  # `Path.rglob` takes five times as long
        for name in names
        if not name.endswith(".pyc") and os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118
    ]
    return sorted(Path(folder, name) for folder, name in found)


def origin(installed: Distribution, home: Path = HOME) -> tuple[Kind, str, str | None]:
    """Return the kind, address and commit of an installed distribution, from PEP 610 metadata.

    A package from an index has no `direct_url.json`. If the code that runs is in another folder
    than the installed distribution, the kind is `elsewhere`.
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
    """Return the content of `direct_url.json`, or that of a folder if the file cannot be read."""
    text = installed.read_text("direct_url.json")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"dir_info": {}}
    return found if isinstance(found, dict) else {"dir_info": {}}

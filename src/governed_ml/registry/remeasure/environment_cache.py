"""Environments of older commits: made by uv from a commit's `uv.lock`, kept in the user's cache.

The name of an environment's folder is derived from what it was made from. Its last file,
`made.json`, is written when the environment is complete. A folder without this file, or with
changed files, is made again. The folder may be deleted at any time. An environment that was not
used for `UNUSED_DAYS` is removed when another one is requested.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from governed_ml.core.code.engine import DISTRIBUTION
from governed_ml.core.files import digest_of, file_digest, read_json, write_json
from governed_ml.core.installation import bytecode, records, replaced_libraries
from governed_ml.core.installation.distributions import COMPUTING, Installed, canonical
from governed_ml.core.installation.lockfile import LOCK, METADATA
from governed_ml.core.problem import Problem, cause, first_line

MADE = "made.json"
UNUSED_DAYS = 30
PYTHON = Path("Scripts/python.exe") if os.name == "nt" else Path("bin/python")
NOT_FOR_UV = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT", "UV_LOCKED", "UV_FROZEN",
              "UV_NO_SYNC", "UV_NO_DEFAULT_GROUPS", "UV_WORKING_DIRECTORY")  # fmt: skip
CAUSE = re.compile(r"(?:cause|Caused by): (.*)")
Say = Callable[[str], None]


def python(tree: Path, group: str, engine: str, say: Say) -> Path:
    """Return the Python of the environment that the lock in `tree` pins; make it if it is missing.

    Raise `Problem` if uv is missing or cannot install a package of the lock.
    """
    from filelock import FileLock

    made_from = {
        "lock": file_digest(tree / LOCK),
        "project": file_digest(tree / METADATA),
        "group": group,
        "python": sys.version.split()[0],
    }
    target = folder() / digest_of(made_from).removeprefix("sha256:")[:32]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not _whole(target):
                shutil.rmtree(target, ignore_errors=True)
                say(f"creating the environment of {engine}")
                _sync(tree, group, engine, target)
                write_json(target / MADE, made_from)
            os.utime(target / MADE)  # marks when it was last used
        prune(target.parent)
    except OSError as error:
        raise Problem(
            f"cannot make the environment of {engine} in {target.parent}: {cause(error)}; "
            "check the folder's permissions and its free space"
        ) from error
    return target / PYTHON


def folder() -> Path:
    """Return the folder that holds the environments."""
    from platformdirs import user_cache_path

    return user_cache_path("governed-ml", appauthor=False) / "environments"


def prune(home: Path) -> list[Path]:
    """Remove environments that are incomplete or unused for `UNUSED_DAYS`; return their paths.

    An environment that another process is making or checking is kept.
    """
    from filelock import FileLock, Timeout

    removed: list[Path] = []
    for one in sorted(path for path in home.iterdir() if path.is_dir()):
        made = one / MADE
        used = made.stat().st_mtime if made.is_file() else one.stat().st_mtime
        if time.time() - used < UNUSED_DAYS * 86_400:
            continue
        with suppress(Timeout), FileLock(one.with_suffix(".lock"), timeout=0):
            shutil.rmtree(one, ignore_errors=True)  # the next call removes what is left
            removed.append(one)
    return removed


def _whole(target: Path) -> bool:
    """Return whether an environment exists and is unchanged.

    All files must match their RECORD. The bytecode of the engine and of whatever computes evidence
    must match its source. Nothing else may run at the start of Python.
    """
    try:
        read_json(target / MADE)
    except Problem:
        return False
    infos = sorted(target.glob("[Ll]ib/**/site-packages/*.dist-info"))
    some = [Installed(canonical(one.name.partition("-")[0]), str(one)) for one in infos]
    if not some or not (target / PYTHON).exists():
        return False
    measuring = [one for one in some if one.name in (DISTRIBUTION, *COMPUTING)]
    sources = [path for one in measuring for path, _ in one.record() if path.endswith(".py")]
    site_hooks = chain.from_iterable(replaced_libraries.hooks(one, some) for one in _sites(infos))
    changed = chain(records.differing(some), records.added(some), bytecode.forged(sources))
    return next(chain(site_hooks, changed), None) is None


def _sites(infos: list[Path]) -> list[Path]:
    return sorted({one.parent for one in infos})


def _sync(tree: Path, group: str, engine: str, target: Path) -> None:
    """Make uv install exactly the packages of the lock, without the project itself."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise Problem(
            f"this commit was measured by {engine}, and uv is needed to make its environment: "
            "install uv (https://docs.astral.sh/uv/)"
        )
    kept = {name: value for name, value in os.environ.items() if name not in NOT_FOR_UV}
    words = ("sync", "--frozen", "--no-default-groups", "--group", group, "--no-install-project")
    done = subprocess.run(
        [uv, *words, "--no-progress", "--python", sys.executable],
        cwd=tree,
        env=kept | {"UV_PROJECT_ENVIRONMENT": str(target), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        raise Problem(
            f"cannot make the environment of {engine}: {_said(done.stderr)}; uv needs the "
            "network, or a cache that holds what the commit's uv.lock names"
        )


def _said(stderr: str) -> str:
    """Return uv's error and its innermost cause; if git failed, git's own message."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    causes = [m[1] for line in lines if (m := CAUSE.match(line))]
    fatal = [line for line in lines if line.startswith("fatal: ")]
    said = errors[:1] + (fatal[:1] or causes[-1:]) or lines[-1:] or ["uv gave no reason"]
    return first_line(ValueError(": ".join(said)), 300)

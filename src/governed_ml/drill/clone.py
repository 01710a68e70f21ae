"""Copy a repository for the drill, and check that the original did not change."""

from __future__ import annotations

import configparser
import re
import shutil
from pathlib import Path

from governed_ml.core.files import COMPOSED, file_digest
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, REMOTE, attempt, git, head

KEPT = ("data", "models", "reports")  # ignored files in these folders belong to DVC or are derived
AUTHOR = {"user.name": "Drill", "user.email": "author@drill.invalid"}
STORES = ("mlflow.db", "mlruns/**/*", ".dvc/config*", ".dvc/cache/**/*", ".dvc-remote/**/*")
BY_CONTENT = ("mlflow.db", "dvc.lock", *COMPOSED, "reports/decision.json")
LOCAL = AUTHOR | {
    "commit.gpgsign": "false",
    "gpg.format": "openpgp",
    "core.autocrlf": "false",
    "core.ignorecase": "false",  # names that differ in case are different, on any machine
}


def clone(base: Path, project: Path, origin: Path) -> None:
    """Copy the history, the files that git tracks or would add, and DVC's data on disk."""
    head(base)
    if git(base, "rev-parse", "--is-shallow-repository") == "true":
        raise Problem("this clone is shallow: run `git fetch --unshallow` before a drill")
    project.parent.mkdir(parents=True)
    words = ("--quiet", "--no-hardlinks", "--no-tags", "--no-checkout")
    git(base, "clone", *words, str(base), str(project))
    git(project, "remote", "remove", REMOTE)
    git(base, "init", "--quiet", "--bare", "-b", PROTECTED, str(origin))
    git(project, "remote", "add", REMOTE, "../origin.git")
    for name, value in LOCAL.items():
        git(project, "config", name, value)
    git(project, "checkout", "--quiet", "-B", PROTECTED)
    known = git(base, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    ignored = git(base, "ls-files", "--others", "--ignored", "--exclude-standard", "-z", *KEPT)
    for name in filter(None, [*known, *ignored.split("\0")]):
        target = project / name
        target.unlink(missing_ok=True)
        if (base / name).is_symlink() or (base / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(base / name, target, follow_symlinks=False)


def own_stores(base: Path, project: Path, home: Path) -> None:
    """Give the copy its own DVC cache and remotes, and no webhook."""
    found, own = configparser.ConfigParser(), configparser.ConfigParser()
    found.read([base / ".dvc" / "config", base / ".dvc" / "config.local"], encoding="utf-8")
    own["core"] = {"analytics": "false", "check_update": "false", "remote": "drill"}
    own["cache"] = {"dir": (home / "cache").as_posix()}
    remotes = [name for name in found.sections() if name.strip("'").startswith("remote ")]
    for name in {*remotes, "'remote \"drill\"'"}:
        own[name] = {"url": (home / "remote").as_posix()}
    (project / ".dvc" / "config.local").unlink(missing_ok=True)
    with (project / ".dvc" / "config").open("w", encoding="utf-8") as file:
        own.write(file)
    cache = Path(found.get("cache", "dir", fallback="cache"))
    _cached(project, base / ".dvc" / cache / "files" / "md5", home / "cache" / "files" / "md5")


def _cached(project: Path, source: Path, target: Path) -> None:
    """Copy the objects in the cache that `dvc.lock` names, because the whole cache may be large."""
    lock = project / "dvc.lock"
    text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
    todo = re.findall(r"md5: ([0-9a-f]{32}(?:\.dir)?)", text)
    while todo:
        name = todo.pop()
        path = Path(name[:2]) / name[2:]
        if not (source / path).is_file() or (target / path).exists():
            continue
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)
        if name.endswith(".dir"):
            todo += re.findall(r'"md5": "([0-9a-f]{32})"', (target / path).read_text("utf-8"))


def fingerprint(base: Path) -> dict[str, str]:
    """Return name → digest of every ref, every file except cached bytecode, and the stores."""
    refs = git(base, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    found = {name: commit for name, _, commit in (line.partition(" ") for line in refs)}
    found["HEAD"] = attempt(base, "rev-parse", "--symbolic-full-name", "HEAD", "--").stdout.decode()
    found["git's configuration"] = git(base, "config", "--local", "--list")
    names = git(base, "ls-files", "--cached", "--others", "-z").split("\0")
    paths = {base / name for name in names if name and not name.startswith((".venv", ".git/"))}
    paths |= {path for pattern in STORES for path in base.glob(pattern)}
    for path in sorted(paths):
        name = path.relative_to(base).as_posix()
        if "__pycache__" in name or not path.is_file():
            continue
        known = path.stat()
        found[name] = f"{known.st_size} {known.st_mtime_ns}"
        if name in BY_CONTENT:
            found[name] += f" {file_digest(path)}"
    return found


def require_same(before: dict[str, str], after: dict[str, str]) -> None:
    """Raise `Problem` if anything in the original repository changed."""
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise Problem(
            f"{changed[0]}{more} changed in the real repository while the drill ran: run the "
            "drill again, and change nothing meanwhile; if nobody changed it, report this as "
            "a bug of the engine (governed-ml)"
        )

"""Whether the drill has left the repository, its registry and its ledger as they were."""

from __future__ import annotations

from pathlib import Path

from ..files import file_digest
from ..governance.repository import attempt, git
from ..problem import Problem

STORES = ("mlflow.db", "mlruns/**/*", ".dvc/config*", ".dvc/cache/**/*", ".dvc-remote/**/*")
BY_CONTENT = ("mlflow.db", "dvc.lock", "params.yaml", "reports/decision.json")


def fingerprint(base: Path) -> dict[str, str]:
    """Return what is where: every ref, every file but compiled Python, the stores."""
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
    """Refuse the drill's result where something of the real repository is not as it was."""
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise Problem(
            f"{changed[0]}{more} changed in the real repository while the drill ran: leave it "
            "alone meanwhile and run the drill again; if nobody touched it, report this"
        )

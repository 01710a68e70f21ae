"""Measure and judge a version again before people approve it. Nothing is recorded.

The version's files are fetched and checked. Its own commit is measured again with that commit's
engine, and the result must equal the sealed evidence. Then today's policy judges it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from governed_ml.core.evidence import usable
from governed_ml.core.problem import Problem
from governed_ml.core.repository import extract
from governed_ml.core.work_folder import work_folder
from governed_ml.ledger.lifecycle import Lifecycle, Version, require_legal
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.decision import Decision
from governed_ml.registry.append_event import situation
from governed_ml.registry.approval.current_rules import judge_again, require_reviewed
from governed_ml.registry.earlier_engine import require_accepted
from governed_ml.registry.promotable import require_same_rival
from governed_ml.registry.promote import chosen
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.remeasure import environments
from governed_ml.registry.remeasure.fetch import dvc
from governed_ml.registry.remeasure.recompute import (
    FILES,
    is_locked,
    locked,
    measure,
    require_sealed,
)
from governed_ml.registry.versions import Registry


def rejudge(
    base: Path,
    registry: Registry,
    number: int | None,
    commit: str | None,
    say: Callable[[str], None],
) -> tuple[Version, Decision]:
    """Fetch, measure and judge a version; raise `Problem` if it differs from the sealed one.

    `commit` is the commit that approvals will be for. A version of another commit is refused.
    """
    seen = situation(base, registry)
    now, life = seen.now, seen.life
    version = chosen(life, number, registry)
    if version.state != "champion":
        require_legal("approved", version.number, version.state)
        require_reviewed(base, version, life, now)
        require_accepted(version, now)
    own = version.subject["commit"]
    if commit is not None and own != commit:
        raise Problem(
            f"version {version.number} is of commit {own[:12]}, but approvals in this run are "
            f"for commit {commit[:12]}: start this on a branch or tag at {own[:12]}, or "
            "register the model again",
            1,
        )
    with work_folder() as work:
        scratch = work / "copy"
        scratch.mkdir()
        say("fetching and verifying")
        checked = bundle.fetch(registry, version, now.approvers, work / "bundle")
        unread = None
        if version.state != "champion":
            unread = require_same_rival(registry, checked, life, now)
        rival = _rival(registry, checked, life, now, work / "rival")
        extract(base, own, scratch)
        files = _files(base, own, scratch, work / "files", say)
        measure(files, rival, scratch, say, environments.of(scratch, say))
        require_sealed(scratch, checked.evidence())
        return version, judge_again(checked, now, unread)


def _rival(
    registry: Registry, checked: Checked, life: Lifecycle, now: Today, folder: Path
) -> Path | None:
    """Return the model that a version was compared with at registration, or None."""
    evaluated = usable(checked.evidence()).get("evaluate")
    digest = None if evaluated is None else evaluated.body.champion
    if digest is None:
        return None
    found = [one for one in life.versions.values() if one.subject["model"] == digest]
    if not found:
        raise Problem(
            f"it was compared with {digest[:18]}, which the ledger does not know: register the "
            "model again",
            1,
        )
    return bundle.fetch(registry, found[-1], now.approvers, folder).model


def _files(
    base: Path, commit: str, scratch: Path, folder: Path, say: Callable[[str], None]
) -> Path:
    """Return the folder with a commit's table and model: `base`, or one fetched by DVC."""
    lock = locked(scratch)
    if all((base / path).is_file() and is_locked(base / path, path, lock) for path in FILES):
        return base
    for path in FILES:
        say(f"fetching {path.as_posix()}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        said = dvc(base, "get", "--rev", commit, ".", path.as_posix(), "--out", str(target))
        if said or not target.is_file():
            raise Problem(
                f"cannot get {path.as_posix()} of commit {commit[:12]} from DVC's remote: "
                f"{said or 'nothing came'}; push it (`uv run dvc push`), and give this machine "
                "read access"
            )
    return folder

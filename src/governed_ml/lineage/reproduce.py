"""Reproduce a version from its commit, with its own data, code and engine, and compare."""

from __future__ import annotations

import configparser
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from governed_ml.core import evidence, model_file, tables
from governed_ml.core.config.source_files import copy_source, is_here, source_digest
from governed_ml.core.files import file_digest, read_json
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt, git
from governed_ml.core.work_folder import work_folder
from governed_ml.ledger import storage
from governed_ml.ledger.lifecycle import Version
from governed_ml.lineage.show import chosen, known
from governed_ml.registry.counted_events import follow
from governed_ml.registry.remeasure import environments
from governed_ml.registry.remeasure.environments import StageEnvironment
from governed_ml.registry.remeasure.fetch import dvc
from governed_ml.registry.remeasure.recompute import OF_THE_CHAMPION, difference, surroundings

PARTS = (tables.RAW, tables.TRAIN, tables.TEST, tables.SENSITIVE_TRAIN, tables.SENSITIVE_TEST,
         tables.PREDICTIONS)  # fmt: skip


class Compared(NamedTuple):
    """One item, as recorded and as reproduced."""

    what: str
    recorded: str | None
    found: str | None

    @property
    def state(self) -> str:
        """Return whether they are equal or different, or that there is nothing to compare with."""
        if self.recorded is None:
            return "no record"
        return "equal" if self.recorded == self.found else "different"


@dataclass
class Reproduced:
    """The result of a reproduction."""

    version: int
    commit: str
    rows: list[Compared]
    notes: list[str] = field(default_factory=list)


def named(base: Path, name: str | None, day: date | None) -> Version:
    """Return the version with that name, or the champion at the end of a day (UTC)."""
    if (name is None) == (day is None):
        raise Problem("give either a version or --date")
    if name is not None:
        return chosen(known(base), name)
    entries = [one for one in storage.read(base) if day and one.event.moment.date() <= day]
    champion = follow(base, entries).champion
    if champion is None:
        raise Problem(
            f"the ledger had no champion on {day}: look for another day with `uv run governance "
            "ledger show`",
            1,
        )
    return champion


def reproduce(base: Path, version: Version, say: Callable[[str], None]) -> Reproduced:
    """Run the pipeline of a version's commit in a separate worktree, and compare the results.

    It runs with that commit's own engine and packages.
    """
    commit = version.subject["commit"]
    if attempt(base, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise Problem(f"commit {commit[:12]} is not in this clone: run `git fetch --unshallow`")
    with worktree(base, commit) as tree:
        recorded = _records(tree)
        environment = environments.of(tree, say)
        where = "an environment of its own" if environment.own else "the running environment"
        notes = [f"measured with {environment.engine}, in {where}"]
        say(f"fetching the data of {commit[:12]}")
        notes += _bring(base, tree, recorded)
        say("running the pipeline of that commit")
        _run(tree, environment)
        return Reproduced(version.number, commit, _compare(tree, version, recorded), notes)


@contextmanager
def worktree(base: Path, commit: str) -> Generator[Path]:
    """Provide a commit in a temporary worktree with this repository's DVC cache and remotes."""
    with work_folder() as work:
        tree = work / "tree"
        git(base, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            _settings(base, tree)
            yield tree
        finally:
            attempt(base, "worktree", "remove", "--force", str(tree))


def _settings(base: Path, tree: Path) -> None:
    """Make DVC in the worktree use this repository's cache and remotes."""
    config = configparser.RawConfigParser()
    config.read([base / ".dvc/config", base / ".dvc/config.local"], encoding="utf-8")
    for section in config.sections():
        url = config.get(section, "url", fallback="")
        if url and "://" not in url and not Path(url).is_absolute():
            config.set(section, "url", str((base / ".dvc" / url).resolve()))
    if not config.has_section("cache"):
        config.add_section("cache")
    own = config.get("cache", "dir", fallback="cache")
    config.set("cache", "dir", str((base / ".dvc" / own).resolve()))
    with (tree / ".dvc/config.local").open("w", encoding="utf-8") as file:
        config.write(file)


def _records(tree: Path) -> dict[str, dict[str, Any]]:
    """Return gate → its evidence in the commit as plain values, in whatever schema it has."""
    found = {path.stem: read_json(path) for path in sorted((tree / evidence.FOLDER).glob("*.json"))}
    if not found:
        raise Problem(
            "the version's commit has no evidence to compare with: reproduce a version whose "
            "evidence is committed"
        )
    return found


def _bring(base: Path, tree: Path, recorded: dict[str, dict[str, Any]]) -> list[str]:
    """Copy the source or, if that is impossible, the ingested table; return remarks about it."""
    body = recorded["ingest"]["body"]
    added = sorted(path.relative_to(tree).as_posix() for path in tree.glob("data/source/**/*.dvc"))
    lost = dvc(tree, "pull", "--quiet", *added) if added else None
    if body["source"] == "synthetic":
        return []
    if body["source"] == "file" and "://" not in body["uri"]:
        target, mine = tree / body["uri"], base / body["uri"]
        if not is_here(target) and is_here(mine) and _is(mine, body["sha256"]):
            copy_source(mine, target)
        if is_here(target):
            return []
    raw = tables.RAW.as_posix()
    why = dvc(tree, "pull", "--quiet", raw) or dvc(tree, "freeze", "ingest")
    if why or not (tree / raw).is_file():
        raise Problem(
            f"neither {body['uri']} nor {raw} of that commit can be fetched: {lost or why}"
        )
    return [
        f"{body['uri']} is not read again: {tables.RAW.as_posix()} came from DVC, by its digest"
    ]


def _is(path: Path, digest: str | None) -> bool:
    return source_digest(path).removeprefix("sha256:") == str(digest).removeprefix("sha256:")


def _run(tree: Path, environment: StageEnvironment) -> None:
    """Run the whole pipeline without adding anything to DVC's cache, which is shared."""
    done = subprocess.run(
        [str(environment.python), "-P", "-m", "dvc", "repro", "--force", "--no-commit"],
        cwd=tree,
        env=surroundings() | environment.variables(tree),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        said = next((line for line in lines if not line.startswith("ERROR")), lines[-1])
        raise Problem(f"the pipeline of that commit stops: {first_line(ValueError(said), 300)}")


def _compare(tree: Path, version: Version, recorded: dict[str, dict[str, Any]]) -> list[Compared]:
    inputs: dict[str, str] = {}
    for one in recorded.values():
        inputs |= one["subject"]["inputs"]
    inputs[tables.RAW.as_posix()] = version.subject["data"]
    folds = [tables.FOLDS] if tables.FOLDS.as_posix() in inputs else []
    rows = [
        Compared(path.as_posix(), inputs.get(path.as_posix()), _digest(tree / path))
        for path in (*PARTS, *folds)
    ]
    model = model_file.digest(tree / model_file.PATH)
    rows.append(Compared(model_file.PATH.as_posix(), version.subject["model"], model))
    now = _records(tree)
    for gate, one in recorded.items():
        where = difference(_numbers(one), _numbers(now.get(gate, {})))
        said = "as recorded" if where is None else f"{where[0]}: {where[1]} → {where[2]}"
        rows.append(Compared(f"numbers of {gate}", "as recorded", said[:160]))
    return rows


def _numbers(one: dict[str, Any]) -> dict[str, Any]:
    """Return the measured values, without the comparison with the champion of that time."""
    metrics, body = dict(one.get("metrics", {})), dict(one.get("body", {}))
    for name in (*OF_THE_CHAMPION, "champion"):
        metrics.pop(name, None)
        body.pop(name, None)
    return {"metrics": metrics, "body": body}


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def parsed(day: str | None) -> date | None:
    """Parse a day written as 2026-12-31; raise `Problem` if it is invalid or in the future."""
    if day is None:
        return None
    try:
        found = date.fromisoformat(day)
    except ValueError as error:
        raise Problem(f"--date {day!r} is not a date: write it like 2026-12-31") from error
    if found > datetime.now(UTC).date():
        raise Problem(f"--date {day} is in the future: give an earlier day")
    return found

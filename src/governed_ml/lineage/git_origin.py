"""The origin of a pipeline in git: the commit with its records, and the stages that it reused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from governed_ml.core import evidence
from governed_ml.core.config.dvc_files import LOCK, as_written, text_of
from governed_ml.core.problem import Problem
from governed_ml.core.repository import REMOTE, attempt, content
from governed_ml.lineage.pipeline_records import RecordedPipeline

RECORDS = (LOCK, evidence.FOLDER.as_posix())


@dataclass(frozen=True)
class GitOrigin:
    """The commit with a pipeline's records (None if they are not committed), and its stages.

    `code` are the stages whose recorded code digest matches that commit's code.
    """

    commit: str | None
    code: frozenset[str] = frozenset()
    reused: dict[str, str] = field(default_factory=dict)  # stage → commit that had the same record
    repository: str = ""  # the remote's URL, without a password


def origin(base: Path, pipeline: RecordedPipeline) -> GitOrigin:
    """Determine the origin with git.

    A stage counts as reused if the previous commit had exactly the same record, including the
    times.
    """
    dirty = _said(base, "status", "--porcelain", "--untracked-files=all", "--", *RECORDS)
    last = _said(base, "log", "-1", "--format=%H", "--", *RECORDS)
    commit = None if dirty or not last else last
    before = _said(base, "rev-parse", "--verify", "--quiet", f"{commit}^" if commit else "HEAD")
    return GitOrigin(
        commit,
        frozenset(_proven(base, commit, pipeline) if commit else ()),
        _reused(base, before, pipeline) if before else {},
        _repository(base),
    )


def _said(base: Path, *words: str) -> str:
    done = attempt(base, *words)
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def _proven(base: Path, commit: str, pipeline: RecordedPipeline) -> list[str]:
    """Return the stages whose recorded code digest is that of the commit's code."""
    try:
        digests = json.loads(content(base, commit, "code.json") or b"{}")
    except ValueError:
        return []
    return [
        stage
        for stage, step in pipeline.steps.items()
        if stage in digests
        and (step.evidence is None or step.evidence.subject.code == digests[stage])
    ]


def _reused(base: Path, before: str, pipeline: RecordedPipeline) -> dict[str, str]:
    try:
        earlier = as_written(content(base, before, LOCK) or b"", LOCK)
        now = as_written(text_of(base / LOCK), LOCK)
    except Problem:
        return {}
    found: dict[str, str] = {}
    for stage, step in pipeline.steps.items():
        path = evidence.path_of(stage).as_posix()
        if step.failed or stage not in now or earlier.get(stage) != now[stage]:
            continue
        if step.evidence is not None and (base / path).read_bytes() != content(base, before, path):
            continue
        where = path if step.evidence is not None else LOCK
        found[stage] = _said(base, "log", "-1", "--format=%H", before, "--", where)
    return found


def _repository(base: Path) -> str:
    """Return the remote's URL without user and password, or "" if it is not a URL."""
    url = _said(base, "remote", "get-url", REMOTE)
    scp = re.fullmatch(r"(?:[^@/]+@)?([\w.-]+):(?!//)(.+)", url)
    url = f"https://{scp[1]}/{scp[2]}" if scp else url
    if not re.match(r"(https?|ssh|git)://", url):
        return ""
    return escaped(re.sub(r"//[^/@]*@", "//", url).removesuffix(".git"))


def escaped(address: str) -> str:
    """Return a URL with characters percent-encoded that git and storages allow but URIs do not."""
    refused = r"[^\w.~:/?#@!$&'()*+,;=\[\]%-]|%(?![0-9A-Fa-f]{2})"
    return re.sub(refused, lambda one: quote(one[0], safe=""), address, flags=re.ASCII)

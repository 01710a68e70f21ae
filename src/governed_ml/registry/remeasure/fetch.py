"""Fetch the pipeline's inputs from DVC's remote, if it is shared, and decide where to start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from governed_ml.core import tables
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.data import Source
from governed_ml.core.config.source_files import is_here
from governed_ml.core.evidence import path_of
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.process_settings import readable
from governed_ml.core.shared_stores import shared_remote
from governed_ml.registry.remeasure.ignored_dvc_files import REASON, unseen
from governed_ml.registry.remeasure.recompute import STAGES_AFTER_INGEST

RERUN_STAGES = ("ingest", *STAGES_AFTER_INGEST, "decide")


class Start(NamedTuple):
    """The stage where the pipeline starts. `mode` is `committed` if it cannot run at all."""

    mode: Literal["recompute", "committed"]
    stage: str
    why: str

    @property
    def stages(self) -> tuple[str, ...]:
        """Return the engine's stages from the start to the decision.

        Stages of the team are not included, because their processes could keep running and change
        files that are measured later.
        """
        return RERUN_STAGES[RERUN_STAGES.index(self.stage) :] if self.stage else ()


def fetch(base: Path, *, fork: bool) -> Start:
    """Fetch the data, and return where the pipeline starts.

    A pull request from a fork has no access to secrets. If its run cannot read the data, the
    committed evidence is used, and the policy on the protected branch decides whether that
    suffices.
    """
    source = compose(base / CONF).data.source
    if source.kind == "synthetic":
        return Start("recompute", "ingest", "the source is synthetic")
    if shared_remote(base):
        lost = _pull(base)
        if lost and fork:
            return Start("committed", "", f"a fork cannot read the data ({lost})")
        if lost:
            raise Problem(
                f"cannot fetch the data from DVC's remote: {lost}; push them (`uv run dvc push`), "
                "and give this machine read access",
                1,
            )
    if _readable(base, source):
        return Start(
            "recompute", "ingest", f"{source.path or source.function or source.kind} is read again"
        )
    if (base / tables.RAW).is_file():
        return Start("recompute", "validate", "the ingested table is taken by its digest")
    if fork:
        return Start("committed", "", "a fork cannot read the data")
    raise Problem(
        f"the data are not here ({source.path or source.kind}): set a shared DVC remote (`uv run "
        "dvc remote modify storage url ...`) and push them (`uv run dvc push`)"
    )


def take_away(base: Path, start: Start) -> list[str]:
    """Delete committed evidence that will be measured again; return the names of its gates.

    If a stage then fails or does not run, it leaves no evidence, and a gate without evidence
    denies.
    """
    kept = ("ingest",) if start.stage == "validate" else ()
    gates = [gate for gate in BODY_OF_GATE if gate not in kept and (base / path_of(gate)).is_file()]
    for gate in gates:
        (base / path_of(gate)).unlink()
    return gates


def _readable(base: Path, source: Source) -> bool:
    if source.kind == "file":
        path = source.path or ""
        return "://" in path or is_here(base / path)
    if source.kind == "sql":
        url = source.url or ""
        return not url.startswith("env:") or bool(os.environ.get(url.removeprefix("env:")))
    return True


def _pull(base: Path) -> str | None:
    """Pull all files in the lock (before the first run, only added data); return why it failed."""
    pointers = sorted(base.glob("data/source/**/*.dvc"))
    added = [path.relative_to(base).as_posix() for path in pointers]
    for name, fix in unseen(base, added).items():
        raise Problem(f"{name}: {REASON}; {fix}", 1)
    locked = (base / "dvc.lock").is_file()
    if not locked and not added:
        return None
    return dvc(base, "pull", "--quiet", *([] if locked else added))


def run_dvc(base: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in a process of its own; return the finished process."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "dvc", *words],
        cwd=base,
        env=readable(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def dvc(base: Path, *words: str) -> str | None:
    """Run DVC; return why it failed, or None."""
    done = run_dvc(base, *words)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
    return first_line(ValueError(next((x for x in lines if "ERROR" in x), lines[-1])), 240)

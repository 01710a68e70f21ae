"""The state of a project after its pipeline has run, as input of the check `lineage`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from governed_ml.checks.finding import edited_since
from governed_ml.checks.lineage.locked import Here
from governed_ml.core.config.dvc_files import LOCK, Lock, Pipeline
from governed_ml.core.config.params import Params
from governed_ml.core.evidence import Collected, usable


@dataclass(frozen=True)
class ProjectState:
    """The state of a project after its pipeline has run."""

    base: Path
    asked: Pipeline
    lock: Lock
    params: Params
    evidence: Collected
    here: Here
    tracked: set[str]

    @property
    def stages(self) -> list[str]:
        """Return the stages that are in `dvc.yaml` and have run."""
        return [name for name in self.asked.stages if name in self.lock.stages]

    @cached_property
    def edited(self) -> set[str]:
        """Return the files that changed since the commit that last changed the lock."""
        return edited_since(self.base, LOCK)

    def has(self, path: str) -> bool:
        """Return whether git tracks a file, or a file in a folder."""
        return any(one == path or one.startswith(f"{path}/") for one in self.tracked)

    def inputs(self) -> dict[str, str]:
        """Return table → digest for every table that evidence names; the first one counts."""
        found: dict[str, str] = {}
        for one in usable(self.evidence).values():
            for path, digest in one.subject.inputs.items():
                found.setdefault(path, digest)
        return {path: digest for path, digest in found.items() if not path.startswith("reports/")}

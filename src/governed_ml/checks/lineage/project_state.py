"""The state of a project after its pipeline has run, for the parts of the check `lineage`."""

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
        """The stages that are asked for and have run."""
        return [name for name in self.asked.stages if name in self.lock.stages]

    @cached_property
    def edited(self) -> set[str]:
        """The files that are not as in the commit that brought the lock."""
        return edited_since(self.base, LOCK)

    def has(self, path: str) -> bool:
        """Return whether git has a file, or a file in a folder."""
        return any(one == path or one.startswith(f"{path}/") for one in self.tracked)

    def inputs(self) -> dict[str, str]:
        """Return every table that evidence names, with the digest that the first one gives."""
        found: dict[str, str] = {}
        for one in usable(self.evidence).values():
            for path, digest in one.subject.inputs.items():
                found.setdefault(path, digest)
        return {path: digest for path, digest in found.items() if not path.startswith("reports/")}

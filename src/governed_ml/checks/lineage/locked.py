"""Read `dvc.yaml` and `dvc.lock` as DVC does, and compute the digests of existing files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from governed_ml.core.config.dvc_files import LOCK, PIPELINE, Item, Lock, Pipeline
from governed_ml.core.problem import Problem, first_line


def pipeline(base: Path) -> Pipeline:
    """Read `dvc.yaml`."""
    try:
        found = Pipeline.model_validate(_loaded(base / PIPELINE))
        if any(stage.cmd is None for stage in found.stages.values()):
            raise Problem("a stage without a command")
        return found
    except (Problem, ValidationError, AttributeError, TypeError) as error:
        raise Problem(f"{PIPELINE} is not readable: restore it with git") from error


def lock(base: Path) -> Lock | None:
    """Read `dvc.lock`; None if the pipeline has not run yet."""
    if not (base / LOCK).is_file():
        return None
    try:
        return Lock.model_validate(_loaded(base / LOCK))
    except ValidationError as error:
        raise Problem(
            f"{LOCK} is incomplete: {first_line(error, 80)}; restore it with git", 1
        ) from error


def pointer(path: Path) -> list[Item]:
    """Read a `*.dvc` file, which `dvc add` writes."""
    try:
        return [Item.model_validate(one) for one in _loaded(path)["outs"]]
    except (ValidationError, KeyError, TypeError) as error:
        raise Problem(f"{path.name} names no file: restore it with git", 1) from error


def _loaded(path: Path) -> Any:
    """Parse YAML 1.2, as DVC does; PyYAML would read `positive: yes` as `true`."""
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:
        raise Problem(
            f"{path.name} is not readable: {first_line(error, 80)}; restore it with git", 1
        ) from error


class Here:
    """Computes DVC's digests of files in the project.

    Each file is read once, for MD5 and SHA-256.
    """

    def __init__(self, base: Path) -> None:
        """Set the project's root."""
        self.base = base
        self._files: dict[str, tuple[str, str]] = {}

    @cached_property
    def ignored(self) -> frozenset[str]:
        """Return the names that DVC ignores; of `.dvcignore`, only plain names."""
        path = self.base / ".dvcignore"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return frozenset({".git", ".dvc", ".hg", *(line.strip("/ ") for line in lines)})

    def digests(self, name: str) -> tuple[str, str]:
        """Return a file's MD5 (plain hex) and SHA-256 (`sha256:…`)."""
        if name not in self._files:
            md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
            try:
                with (self.base / name).open("rb") as file:
                    while block := file.read(1 << 20):
                        md5.update(block)
                        sha256.update(block)
            except OSError as error:
                raise Problem(f"cannot read {name}: {first_line(error)}") from error
            self._files[name] = (md5.hexdigest(), f"sha256:{sha256.hexdigest()}")
        return self._files[name]

    def md5(self, name: str) -> str | None:
        """Return the MD5 of a file or a folder; None if it does not exist."""
        if (self.base / name).is_file():
            return self.digests(name)[0]
        if not (self.base / name).is_dir():
            return None
        return folder_md5({one: self.digests(f"{name}/{one}")[0] for one in self.within(name)})

    def within(self, folder: str) -> list[str]:
        """Return the files in a folder, as paths relative to it."""
        return sorted(self._walk(self.base / folder))

    def _walk(self, top: Path) -> Iterator[str]:
        for here, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name not in self.ignored]
            for name in files:
                if name not in self.ignored:
                    yield (Path(here) / name).relative_to(top).as_posix()


def folder_md5(files: dict[str, str]) -> str:
    """Return DVC's MD5 of a folder, computed from those of its files."""
    listed = [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    text = json.dumps(listed, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"

"""`dvc.yaml` and `dvc.lock` as typed values: how stages are declared, and what their last run did.

They are parsed as YAML 1.1 with PyYAML's C loader. DVC itself reads YAML 1.2. Where the two differ
about a value that counts (such as `yes`), the caller parses the file with another parser and passes
the values to the models here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from governed_ml.core.files import PARAMS, parse_yaml
from governed_ml.core.problem import Problem

LOCK, PIPELINE = "dvc.lock", "dvc.yaml"


class Item(BaseModel):
    """A file or folder, and the MD5 digest that DVC recorded for it."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    path: str
    md5: str | None = None


class Ran(BaseModel):
    """What a stage ran, read and wrote, as recorded in `dvc.lock`."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    cmd: str | list[str]
    deps: list[Item] = []
    outs: list[Item] = []
    params: dict[str, dict[str, Any]] = {}

    @property
    def made(self) -> dict[str, str | None]:
        """Return path → MD5 of each output of the stage."""
        return {one.path: one.md5 for one in self.outs}


class Stage(BaseModel):
    """A stage as declared in `dvc.yaml`.

    One with `foreach` stands for several, without a command.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)
    cmd: str | list[str] | None = None
    wdir: str = "."
    frozen: bool = False
    deps: list[str] = []
    outs: dict[str, bool] = {}  # path → whether DVC caches it
    params: dict[str, list[str]] = {}  # file → keys
    plain_outs: list[str] = []  # the outputs that are neither metrics nor plots

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, body: Any) -> Any:
        """Convert both forms of a DVC output (`- path`, `- path: {cache: false}`) into fields."""
        outs: dict[str, bool] = {}
        plain: list[str] = []
        for kind in ("outs", "metrics", "plots"):
            for one in body.get(kind, []):
                path, options = next(iter(one.items())) if isinstance(one, dict) else (one, {})
                outs[path] = (options or {}).get("cache", True)
                plain += [path] if kind == "outs" else []
        params: dict[str, list[str]] = {}
        for one in body.get("params", []):
            for file, keys in one.items() if isinstance(one, dict) else [(PARAMS, [one])]:
                params.setdefault(file, []).extend(keys or [])
        return body | {"outs": outs, "params": params, "plain_outs": plain}


class Pipeline(BaseModel):
    """The content of `dvc.yaml`."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    stages: dict[str, Stage]


class Lock(BaseModel):
    """The content of `dvc.lock`."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    stages: dict[str, Ran]

    def writers(self) -> dict[str, tuple[str, str | None]]:
        """Return path → the stage that wrote it, and the MD5 of the content."""
        return {
            path: (name, md5) for name, ran in self.stages.items() for path, md5 in ran.made.items()
        }


def as_written(text: str | bytes, name: str) -> dict[str, Any]:
    """Return stage → its values as plain data, so that they can be compared as a whole."""
    import yaml

    try:
        return dict(parse_yaml(text)["stages"])
    except (ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise _unreadable(name) from error


def declared(base: Path) -> dict[str, Stage]:
    """Return stage → its declaration in `dvc.yaml`. Raise `Problem` if the file cannot be read."""
    stages = as_written(text_of(base / PIPELINE), PIPELINE)
    try:
        return Pipeline.model_validate({"stages": stages}).stages
    except (ValidationError, AttributeError, TypeError) as error:
        raise _unreadable(PIPELINE) from error


def locked(base: Path) -> Lock:
    """Read `dvc.lock`. Raise `Problem` if it is missing or cannot be read."""
    return lock_of(as_written(text_of(base / LOCK), LOCK))


def lock_of(stages: dict[str, Any]) -> Lock:
    """Convert stages of `dvc.lock`, as returned by `as_written`, into a typed value."""
    try:
        return Lock.model_validate({"stages": stages})
    except ValidationError as error:
        raise _unreadable(LOCK) from error


def text_of(path: Path) -> str:
    """Return the text of `dvc.yaml` or `dvc.lock`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(path.name) from error


def _unreadable(name: str) -> Problem:
    return Problem(f"{name} is not readable: restore it with git")

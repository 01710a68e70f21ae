"""Files: the project's root, atomic writes, YAML, canonical JSON, and digests."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem, cause

DECISION = Path("reports/decision.json")
PARAMS, POLICY = "params.yaml", "policy.json"
COMPOSED = (PARAMS, POLICY)  # the files that the stage `compose` writes
PAGE = Path("reports/index.html")  # the page; no page is better than a page about an old decision


def root() -> Path:
    """Return the project's root: the nearest folder, upwards from here, with a `dvc.yaml`.

    Raise `Problem` if there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise Problem(
        f"there is no dvc.yaml in {here} or in a folder above it: run this inside a generated "
        "project"
    )


def shown(path: Path) -> str:
    """Return a path as text for people, relative to the current folder if it lies in it."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file atomically (temporary file, fsync, rename). Raise `Problem` if that fails."""
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, mode)  # noqa: PTH101 - mkstemp gave 0600, which git and DVC would keep
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot write {shown(path)}: {cause(error)}; free disk space or fix the permissions"
        ) from error


def withdraw_decision(base: Path = Path()) -> None:
    """Delete the decision and its page, because they are about an earlier state of the project."""
    for path in (DECISION, PAGE):
        withdraw(base / path)


def withdraw(path: Path) -> None:
    """Delete a file that is out of date, if it exists."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot delete {shown(path)}: {cause(error)}; it is out of date, so make its folder "
            "writable and run the command again"
        ) from error


def write_text(path: Path, text: str) -> None:
    r"""Write UTF-8 text atomically, with `\n` as the line end."""
    write_bytes(path, text.encode("utf-8"))


def as_json(value: Any) -> str:
    """Return JSON text with sorted keys and indentation; raise ValueError for NaN or infinity."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a value atomically, in the format of `as_json`."""
    write_text(path, as_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file; raise `Problem` naming the file if it is missing or invalid."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(f"{shown(path)} is missing: run `uv run dvc repro`") from error
    except (OSError, ValueError) as error:
        raise Problem(
            f"{shown(path)} is not readable JSON ({cause(error)}): run `uv run dvc repro`"
        ) from error


def parse_yaml(text: str | bytes) -> Any:
    """Parse a YAML document into plain values; raise `yaml.YAMLError` if it is invalid."""
    import yaml

    # PyYAML's C loader, where it is installed, is ten times as fast as the one in Python.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe


def digest_of(value: Any) -> str:
    """Return `sha256:<hex>` of a value's canonical JSON."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_digest(path: Path) -> str:
    """Return `sha256:<hex>` of a file's bytes."""
    try:
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise Problem(
            f"{shown(path)} is missing: run `uv run dvc pull` in a clone, or `uv run dvc "
            "repro` elsewhere"
        ) from error
    except OSError as error:
        raise Problem(
            f"cannot read {shown(path)}: {cause(error)}; check that it is a file and that you "
            "may read it"
        ) from error

"""Files: where the project is, whole writes or none, YAML, canonical JSON, digests."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem, cause

DECISION = Path("reports/decision.json")
PARAMS, POLICY = "params.yaml", "policy.json"
COMPOSED = (PARAMS, POLICY)  # what `compose` writes of `conf/`
PAGE = Path("reports/index.html")  # what people open; rather none than one of another decision


def root() -> Path:
    """Return the project's root: the nearest folder upwards that holds `dvc.yaml`."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise Problem(f"no dvc.yaml in {here} or above: run this inside a generated project")


def shown(path: Path) -> str:
    """Return a path for people: from the current folder where it lies in it."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all (temporary file, fsync, rename)."""
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
    """Take the decision on disk back, and its page: they are about what was there before."""
    for path in (DECISION, PAGE):
        withdraw(base / path)


def withdraw(path: Path) -> None:
    """Take a file back that says what is no longer so."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot delete {shown(path)}: {cause(error)}; it is out of date, so make its folder "
            "writable and run the command again"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def as_json(value: Any) -> str:
    """Return sorted, indented JSON; a NaN or an infinity is refused."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `as_json` gives it."""
    write_text(path, as_json(value))


def read_json(path: Path) -> Any:
    """Read JSON or raise `Problem` naming the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(f"{shown(path)} is missing: run `uv run dvc repro`") from error
    except (OSError, ValueError) as error:
        raise Problem(
            f"{shown(path)} is not readable JSON ({cause(error)}): run `uv run dvc repro`"
        ) from error


def parse_yaml(text: str | bytes) -> Any:
    """Return the plain values of a YAML document; `yaml.YAMLError` if it is none."""
    import yaml

    # The loader in C, where PyYAML has it, takes a tenth of the time of the one in Python.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe


def digest_of(value: Any) -> str:
    """Return `sha256:<hex>` of a JSON value in canonical form."""
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
            f"{shown(path)} is missing: in a clone run `uv run dvc pull`, elsewhere `uv run "
            "dvc repro`"
        ) from error
    except OSError as error:
        raise Problem(
            f"cannot read {shown(path)}: {cause(error)}; check that it is a file and that you "
            "may read it"
        ) from error

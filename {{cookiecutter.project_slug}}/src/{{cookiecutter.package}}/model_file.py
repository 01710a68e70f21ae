"""The model on disk: skops, not pickle (loading must not run code), with a canonical digest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import digest_of, write_bytes
from .problem import Problem, first_line

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PATH = Path("models/model.skops")
CHAMPION = Path("models/champion/model.skops")
PACKAGES = ("sklearn", "numpy", "scipy", "fairlearn")
"""Packages that an estimator may come from; what a model file may hold beyond skops' own list."""


def allowed(name: str) -> bool:
    """Return whether a dotted name lies in an allowed package."""
    return name.split(".")[0] in PACKAGES


def save(model: Pipeline, path: Path = PATH) -> None:
    """Write a fitted pipeline."""
    import skops.io

    write_bytes(path, skops.io.dumps(model))


def load(path: Path = PATH) -> Pipeline:
    """Load a pipeline; a type from outside the allowed packages is refused."""
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(file=path)
        foreign = [name for name in unknown if not allowed(name)]
        if foreign:
            raise Problem(
                f"{path} contains {foreign[0]}, which is not from {', '.join(PACKAGES)}: not loaded"
            )
        return skops.io.load(path, trusted=unknown)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Problem(f"cannot load {path}: {first_line(error)}; run `uv run dvc repro`") from error


def digest(path: Path = PATH) -> str:
    """Return the SHA-256 of a model's canonical content.

    That is the skops schema without `__id__`, with each member file replaced by the digest of its
    bytes; the archive itself differs from run to run (ids in names, times in headers).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
            return digest_of(_canonical(schema, archive))
    except FileNotFoundError as error:
        raise Problem(f"{path} is missing: run `uv run dvc repro`") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Problem(
            f"{path} is no readable model ({first_line(error)}): run `uv run dvc repro`"
        ) from error


def _canonical(node: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(node, list):
        return [_canonical(item, archive) for item in node]
    if not isinstance(node, dict):
        return node
    members: dict[str, Any] = node
    return {
        key: _member(str(value), archive) if key == "file" else _canonical(value, archive)
        for key, value in members.items()
        if key != "__id__"
    }


def _member(name: str, archive: zipfile.ZipFile) -> str:
    return hashlib.sha256(io.BytesIO(archive.read(name)).getbuffer()).hexdigest()

"""The model on disk: skops, not pickle, with a canonical digest.

A model of library classes runs no code when it is loaded. A model that holds classes or functions
of the team's package carries their source (`code/<package>/…` in the archive): the source is part
of the digest, so of what is signed and released, and is what such a model is loaded with.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core import team
from governed_ml.core.files import digest_of, write_bytes
from governed_ml.core.problem import Problem, first_line

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PATH = Path("models/model.skops")
CHAMPION = Path("models/champion/model.skops")
CODE = "code/"
PACKAGES = ("sklearn", "numpy", "scipy", "fairlearn")
"""Packages that an estimator may come from; what a model file may hold beyond skops' own list."""


def allowed(name: str) -> bool:
    """Return whether a dotted name lies in an allowed package."""
    return name.split(".")[0] in PACKAGES


def save(model: Pipeline, path: Path = PATH) -> None:
    """Write a fitted model; with the source of the team's package if it holds anything of that."""
    import skops.io

    content = skops.io.dumps(model)
    package = team.name()
    own = [name for name in skops.io.get_untrusted_types(data=content) if _is_of(name, package)]
    if own:
        archive = io.BytesIO(content)
        with zipfile.ZipFile(archive, "a") as members:
            for name, source in team.sources_of_package().items():
                members.writestr(zipfile.ZipInfo(f"{CODE}{package}/{name}"), source)
        content = archive.getvalue()
    write_bytes(path, content)


def load(path: Path = PATH) -> Pipeline:
    """Load a model; a type from outside the allowed packages and its own code is refused."""
    import skops.io

    try:
        package, files = code(path)
        unknown = skops.io.get_untrusted_types(file=path)
        foreign = [name for name in unknown if not allowed(name) and not _is_of(name, package)]
        if foreign:
            raise Problem(
                f"{path} contains {foreign[0]}, which is not from {', '.join(PACKAGES)}: not loaded"
            )
        with team.released(package, files):
            return skops.io.load(path, trusted=unknown)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Problem(f"cannot load {path}: {first_line(error)}; run `uv run dvc repro`") from error


def code(path: Path = PATH) -> tuple[str, dict[str, bytes]]:
    """Return the package whose source a model carries, and its files; "" and none without."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(CODE)]
        files = {name.removeprefix(CODE): archive.read(name) for name in names}
    package = next(iter(files), "").partition("/")[0]
    return package, {name.partition("/")[2]: source for name, source in files.items()}


def types(path: Path = PATH) -> list[str]:
    """Return the types to trust: those of allowed packages, and of the model's own code."""
    import skops.io

    package, _ = code(path)
    unknown = skops.io.get_untrusted_types(file=path)
    return [name for name in unknown if allowed(name) or _is_of(name, package)]


def _is_of(name: str, package: str) -> bool:
    return bool(package) and name.startswith(f"{package}.")


def digest(path: Path = PATH) -> str:
    """Return the SHA-256 of a model's canonical content.

    That is the skops schema without `__id__`, with each member file replaced by the digest of its
    bytes; the archive itself differs from run to run (ids in names, times in headers). Where the
    model carries the team's code, the digests of its files are part of it.
    """
    try:
        package, files = code(path)
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
            model = _canonical(schema, archive)
        if not package:
            return digest_of(model)
        sources = {name: hashlib.sha256(source).hexdigest() for name, source in files.items()}
        return digest_of({"model": model, "package": package, "code": sources})
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

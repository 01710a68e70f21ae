"""The model file: skops format, not pickle, with a canonical digest.

A model that holds only the classes listed in `plain_model` runs no foreign code when it is loaded.
Every other model is loaded in a child process (`pipeline/isolated/`). A model that holds classes or
functions of the team's package carries their source (`code/<package>/…` in the archive). The source
is part of the digest, so it is signed and released with the model, which is loaded with this
source. The file of a model with three or more classes has their names (`classes.json`), because the
model itself knows only their positions. They are part of the digest, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import warnings
import zipfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from governed_ml.core import plain_model
from governed_ml.core.code import team
from governed_ml.core.files import digest_of, write_bytes
from governed_ml.core.installation import extras
from governed_ml.core.problem import Problem, first_line

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

PATH = Path("models/model.skops")
CHAMPION = Path("models/champion/model.skops")
FOLDS = Path("models/folds")  # with cross-validation, the models that only measure
CODE = "code/"
CLASSES = "classes.json"  # the names of three or more classes, by position
AGAIN = "run `uv run dvc repro`"
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile)
PACKAGES = ("sklearn", "numpy", "scipy", "fairlearn", *extras.BOOSTERS)
"""Packages whose classes a model file may hold, in addition to the types that skops trusts."""


def save(
    content: bytes,
    package: team.TeamPackage,
    packages: Iterable[str] = (),
    path: Path = PATH,
    *,
    classes: list[str] | None = None,
) -> None:
    """Write a model in skops format, with the names of its classes, and what `sealed` adds."""
    named = {CLASSES: json.dumps({"classes": classes}).encode()} if classes else {}
    write_bytes(path, _with(sealed(content, package, packages), named))


def sealed(content: bytes, package: team.TeamPackage, packages: Iterable[str] = ()) -> bytes:
    """Return a dumped model, with the team's source added if it holds types of that package.

    `packages` are those that the policy lists under `estimator_packages`. Raise `Problem` if the
    model holds types of any other package.
    """
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(data=content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        raise Problem(
            f"the model that training returned cannot be read: {first_line(error)}; return a "
            "fitted scikit-learn estimator"
        ) from error
    if CLASSES in names or any(name.startswith(CODE) for name in names):
        forged = "names of classes" if CLASSES in names else "source code"
        raise Problem(
            f"the model that training returned has {forged} of its own in its file: return the "
            "fitted estimator"
        )
    foreign = [name for name in unknown if not _is_of(name, package.name, *PACKAGES, *packages)]
    if foreign:
        own = f", nor from the project's own package {package.name}" if package.name else ""
        raise Problem(
            f"the model contains {foreign[0]}, which is not from any of "
            f"{', '.join((*PACKAGES, *packages))}{own}: use a class from one of these packages, or "
            "ask the risk owner to list its package under estimator_packages in conf/policy"
        )
    if not any(_is_of(name, package.name) for name in unknown):
        return content
    return _with(content, {f"{CODE}{package.name}/{n}": one for n, one in package.files.items()})


def _with(content: bytes, files: dict[str, bytes]) -> bytes:
    """Return a dumped model with these files added."""
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a") as members:
        for name, source in files.items():
            members.writestr(zipfile.ZipInfo(name), source)
    return archive.getvalue()


def load(content: bytes, what: str = "the model") -> BaseEstimator:
    """Load a model that holds only harmless classes; raise `Problem` for any other model.

    `pipeline.models` loads the others in a child process.
    """
    import skops.io

    with _readable(what):
        if not is_plain(content, what):
            raise Problem(
                f"{what} has classes that are not on the engine's list, so this process does not "
                "load it"
            )
        types_ = skops.io.get_untrusted_types(data=content)
    _require_installed(types_)
    try:
        with warnings.catch_warnings():
            # XGBoost's parameters are of an older version; its trees are in a format that stays.
            warnings.filterwarnings("ignore", r"(?s).*generated by an older version of XGBoost")
            return skops.io.loads(content, trusted=types_)
    except Exception as error:  # each library has its own exception for a damaged booster
        raise Problem(f"{what} is not a readable model ({first_line(error)}): {AGAIN}") from error


def load_carrying(content: bytes) -> BaseEstimator:
    """Load a model with the source that it carries. Call this in a child process only.

    It may hold classes of any installed library: `sealed` has decided which when it was trained.
    """
    import skops.io

    package = code(io.BytesIO(content))
    if package.files:
        team.install(package)
    unknown = skops.io.get_untrusted_types(data=content)
    _require_of_libraries(unknown, package.name, "the model")
    _require_installed(unknown)
    return skops.io.loads(content, trusted=unknown)


def is_plain(content: bytes, what: str = "the model") -> bool:
    """Return whether loading and using a model runs only the code of harmless classes."""
    import skops.io

    with _readable(what):
        unknown = set(skops.io.get_untrusted_types(data=content))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read("schema.json"))
            carries = any(name.startswith(CODE) for name in archive.namelist())
        return not carries and plain_model.is_plain(schema, unknown)


def code(path: Path | io.BytesIO = PATH) -> team.TeamPackage:
    """Return the package whose source a model carries; its name is empty if it carries none."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(CODE)]
        files = {name.removeprefix(CODE): archive.read(name) for name in names}
    packages = {name.partition("/")[0] for name in files}
    for name in files:
        parts = PurePosixPath(name).parts
        good = name.endswith(".py") and ".." not in parts and "/".join(parts) == name
        if not good or "\\" in name or len(packages) > 1 or not parts[0].isidentifier():
            raise Problem(
                f"the model's file holds {name!r}, which is not a Python module of the "
                "project's one package: keep the model's classes in src/"
            )
    inner = {name.partition("/")[2]: source for name, source in files.items()}
    return team.TeamPackage(next(iter(packages), ""), inner)


def class_names(path: Path = PATH) -> list[str]:
    """Return the names of a model's classes, by position; empty unless there are three or more."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        if CLASSES not in archive.namelist():
            return []
        return [str(name) for name in json.loads(archive.read(CLASSES))["classes"]]


def types(path: Path = PATH) -> list[str]:
    """Return the names of all types in a model that skops does not trust by default.

    They belong to libraries or to the model's own code.
    """
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    _require_of_libraries(unknown, code(path).name, str(path))
    return unknown


def _require_of_libraries(names: list[str], package: str, what: str) -> None:
    """Raise `Problem` for a class of Python itself or of the engine: no estimator is made of it."""
    for name in names:
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names or first == "governed_ml" or not first.isidentifier():
            own = f" or of {package}" if package else ""
            raise Problem(
                f"{what} contains {name}, which is not a class of a library{own}: train the model "
                "again"
            )


def _require_installed(names: Iterable[str]) -> None:
    for package in extras.named(names):
        extras.require(package)


@contextmanager
def _readable(path: Path | str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Problem(f"{path} is missing: {AGAIN}") from error
    except UNREADABLE as error:
        raise Problem(f"{path} is not a readable model ({first_line(error)}): {AGAIN}") from error


def _is_of(name: str, *packages: str) -> bool:
    return any(package and name.startswith(f"{package}.") for package in packages)


def digest(path: Path = PATH) -> str:
    """Return the SHA-256 digest of a model's canonical content.

    The canonical content is skops' schema without `__id__`, in which the digest of each member file
    replaces its name. The archive's own bytes differ from run to run (ids in names, times in
    headers). If the model carries the team's code, the digests of these files are included; if it
    has three or more classes, their names are.
    """
    with _readable(path):
        (package, files), classes = code(path), class_names(path)
        with zipfile.ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
            model = _canonical(schema, archive)
        named = {"classes": classes} if classes else {}
        if package:
            sources = {name: hashlib.sha256(source).hexdigest() for name, source in files.items()}
            named |= {"package": package, "code": sources}
        return digest_of({"model": model} | named if named else model)


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

"""Differences from the template that somebody answers for: each by its content, until a day.

They stand in a file of the risk owner's, as waivers do; what is edited further, or is past its day,
is a difference like any other.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from governed_ml.core.files import digest_of
from governed_ml.core.problem import Problem, cause, explain_invalid
from governed_ml.scaffold.governed import Difference, keys

FILE = "governance/differences.yaml"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Declared(BaseModel):
    """One difference: where (`file`, or `pyproject.toml [key]`), with which content, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: Text
    sha256: str | None = Field(pattern=r"^[0-9a-f]{64}$", description="null: it is not there")
    reason: Text
    approved_by: Text
    expires: date


class Differences(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    differences: list[Declared]


def sift(base: Path, found: list[Difference], day: date) -> tuple[list[Difference], list[str]]:
    """Divide differences into those that nobody answers for and lines about those declared."""
    known = read(base) if found else {}
    bare: list[Difference] = []
    told: list[str] = []
    for one in found:
        own, digest = known.get(one.place), sha256(base, one)
        if own is None:
            mend = f"{one.mend}, or declare it in {FILE} (sha256: {digest or 'null'})"
            bare.append(one._replace(mend=mend))
        elif own.sha256 != digest:
            reason = f"{one.reason}, otherwise than declared (sha256: {digest or 'null'})"
            bare.append(one._replace(reason=reason))
        elif own.expires < day:
            bare.append(one._replace(reason=f"{one.reason}, as declared until {own.expires}"))
        else:
            who = f"{own.reason} ({own.approved_by}, until {own.expires})"
            line = f"{one.place}: differs from the template as declared: {who}"
            told.append(" ".join(line.split()))
    return bare, told


def read(base: Path) -> dict[str, Declared]:
    """Return what is declared, by its place; without the file nothing is."""
    path = base / FILE
    if not path.exists():
        return {}
    import yaml

    values: Any = None
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = TypeAdapter(Differences).validate_python(values).differences
    except (OSError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, ValidationError):
            raise explain_invalid(error, FILE, values, Differences) from error
        raise Problem(f"{FILE} cannot be read ({cause(error)}): mend it") from error
    return {one.file: one for one in found}


def sha256(base: Path, one: Difference) -> str | None:
    """Return the digest of a file's bytes or of a key's value; None of what is not there."""
    if one.key:
        value = keys(base)[one.key]
        return None if value is None else digest_of(value).removeprefix("sha256:")
    path = base / one.file
    if path.is_symlink():
        return hashlib.sha256(str(path.readlink()).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

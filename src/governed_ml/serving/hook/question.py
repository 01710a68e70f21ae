"""What a caller asks: which version, and what it must have been made of.

A version is named by its number, or by the commit or model that it was registered with. Whatever
else a caller names must be equal to what the version's approvals are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import Unusable
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.serving.http.problems import FieldFault, RequestRefused, pointer

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
BOUND = ("name", "commit", "model", "data", "policy", "engine")
"""What an approval is for; a caller may name each."""
UNNAMED = "name the version, or the commit or model that it was registered with"


class ApprovalQuestion(Closed):
    """A question about one version. It has no place for metrics, roles, approvals or states."""

    version: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None, description="the version's number in the registry"
    )
    name: str | None = Field(default=None, max_length=200, description="the registered model")
    commit: Commit | None = Field(default=None, description="the commit that was registered")
    model: Digest | None = Field(default=None, description="digest of the model")
    data: Digest | None = Field(default=None, description="digest of the training table")
    policy: Digest | None = Field(
        default=None, description="digest of the policy that the approvals are for"
    )
    engine: Digest | None = Field(default=None, description="digest of the engine that measured")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.version is None and self.commit is None and self.model is None:
            raise ValueError(UNNAMED)
        return self

    def otherwise(self, subject: Mapping[str, str]) -> str | None:
        """Return what of a subject the caller named otherwise, or None."""
        asked = {name: getattr(self, name) for name in BOUND}
        return next((n for n, one in asked.items() if one not in (None, subject.get(n))), None)


def question(values: Mapping[str, Any], place: str = "") -> ApprovalQuestion:
    """Return a question; raise `RequestRefused` if a field is unknown, missing or malformed.

    `place` is the JSON pointer of the object that holds the fields.
    """
    try:
        return ApprovalQuestion.model_validate(dict(values))
    except ValidationError as error:
        faults = [
            FieldFault(place + pointer(*_known(one["loc"])), _said(one["type"], one["msg"]))
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise RequestRefused(
            422, "invalid-question", "this does not name a version as documented", faults
        ) from error


def from_texts(values: Mapping[str, Any], place: str = "") -> ApprovalQuestion:
    """Return a question from the texts of another tool; fields that are no part of it are ignored.

    A number may be given as text, because these tools send nothing else.
    """
    kept = {name: one for name, one in values.items() if name in ApprovalQuestion.model_fields}
    number = kept.get("version")
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 10:
        kept["version"] = int(number)
    return question({name: one for name, one in kept.items() if one != ""}, place)


def asked_version(life: Lifecycle, asked: ApprovalQuestion) -> Version | Unusable:
    """Return the one version that a question is about, or why there is none."""
    if asked.version is not None:
        found = life.versions.get(asked.version)
        known = ", ".join(map(str, life.versions)) or "none"
        return found or Unusable(f"the ledger has no version {asked.version}; it has {known}")
    named = {name: getattr(asked, name) for name in ("commit", "model")}
    wanted = {name: one for name, one in named.items() if one is not None}
    fitting = [
        one
        for one in life.versions.values()
        if all(one.subject.get(name) == value for name, value in wanted.items())
    ]
    what = " and ".join(f"this {name}" for name in wanted)
    if not fitting:
        return Unusable(f"the ledger has no version of {what}")
    if len(fitting) > 1:
        numbers = " and ".join(str(one.number) for one in fitting)
        return Unusable(f"versions {numbers} are of {what}: name one by its number")
    return fitting[0]


def _known(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Leave an unknown field's name out, because the caller chose it."""
    return place if place and place[0] in ApprovalQuestion.model_fields else ()


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"a field is unknown; known are {', '.join(ApprovalQuestion.model_fields)}"
    return UNNAMED if kind == "value_error" else message

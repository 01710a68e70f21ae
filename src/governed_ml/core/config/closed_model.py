"""The base of all configuration models: it refuses unknown keys and numbers given as text."""

from __future__ import annotations

import sys
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)


def _of_library(name: str) -> str:
    if not name.isidentifier() or name in sys.stdlib_module_names or name == "governed_ml":
        raise ValueError(
            f"{name!r} is not a library's package: write the first part of `_target_`, as imblearn"
        )
    return name


Task = Literal["classification", "regression"]
Scalar = str | int | float | bool | None
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # refuses "0.1" and true
Count = Annotated[int, Field(strict=True, ge=1)]
PackageName = Annotated[str, AfterValidator(_of_library)]


def as_code(value: object) -> str:
    """Return a value as the text that a table holds for it, integers without `.0`."""
    if isinstance(value, bool):
        return str(value).lower()  # as `ingest` writes it
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class Closed(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class AsGiven(Closed):
    """A model whose dump leaves out unset values: DVC parses and compares all of `params.yaml`."""

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Answered(Closed):
    """A model whose dump leaves out the fields in `ANSWERS` and `LATER` that have their default."""

    other_answers: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _answered(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {
            name: value
            for name, value in handler(self).items()
            if name not in (*ANSWERS, *LATER, *self.other_answers)
            or getattr(self, name) != fields[name].default
        }


ANSWERS = (
    *("encoding", "sheet", "decimal", "thousands", "numeric", "dates", "spellings", "distinct"),
    *("against", "classes", "drop_unlabelled"),
)
"""Fields that answer a question of `ingest` about a table. Most tables need none of them."""
LATER = ("prediction_contract",)
"""Fields that earlier engines did not have: evidence of a project without them keeps its digest."""

"""The base of all configuration models: it refuses unknown keys and numbers given as text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Task = Literal["classification", "regression"]
Scalar = str | int | float | bool | None
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # refuses "0.1" and true
Count = Annotated[int, Field(strict=True, ge=1)]


class Closed(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class AsGiven(Closed):
    """A model whose dump leaves out unset values: DVC parses and compares all of `params.yaml`."""

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}

"""The base of all evidence bodies: it refuses unknown fields and converts no value."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Body(BaseModel):
    """A part of an evidence file: unknown fields and type coercion are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Grown(Body):
    """A body with fields that earlier engines did not write (`LATER`).

    Unset ones are left out of the dump, so that evidence of earlier engines keeps its digest.
    """

    LATER: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found = handler(self)
        return {k: v for k, v in found.items() if v is not None or k not in self.LATER}

"""`conf/model`: one estimator."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from governed_ml.core.config.closed_model import Closed


class Model(Closed):
    """One estimator. `estimator` is passed to `hydra.utils.instantiate`."""

    name: str = Field(description="the name of the model; by convention that of the file")
    estimator: dict[str, Any] = Field(
        description="`_target_` names the class; the other keys are its arguments"
    )
    attributes: list[str] | None = Field(
        default=None,
        min_length=1,
        description="mitigation: the sensitive attributes to be fair to; by default all",
    )

    packages: list[str] | None = Field(
        default=None,
        description="the policy's `estimator_packages`; `compose` fills it in",
    )

    @model_serializer(mode="wrap")
    def _without_packages(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `packages` if there are none, so that other models keep their digests."""
        values = handler(self)
        return values if self.packages else {k: v for k, v in values.items() if k != "packages"}

    def targets(self) -> list[str]:
        """Return every `_target_` that Hydra would call: the estimator's, then the nested ones."""
        return _targets(self.estimator) if self.estimator.get("_target_") else [""]


def _targets(node: object) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _targets(item)]
    if not isinstance(node, dict):
        return []
    own = [str(node["_target_"])] if "_target_" in node else []
    return own + [name for value in node.values() for name in _targets(value)]

"""`conf/model`: one estimator."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.config.threshold import Threshold

LATER = ("calibration", "threshold")
"""Fields that earlier engines did not have: models without them keep their digests."""


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
    calibration: Literal["isotonic", "sigmoid"] | None = Field(
        default=None,
        description="how probabilities are calibrated, by cross-validation on the training rows",
    )
    threshold: Threshold | None = Field(
        default=None,
        description="the lowest probability for which the answer is yes; by default, the "
        "estimator's own `predict` decides",
    )
    packages: list[str] | None = Field(
        default=None,
        description="the policy's `estimator_packages`; `compose` fills it in",
    )

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out `packages` and `LATER` if unset, so that other models keep their digests."""
        return {
            name: value
            for name, value in handler(self).items()
            if not (name in LATER and value is None) and (name != "packages" or self.packages)
        }

    @property
    def mitigates(self) -> bool:
        """Return whether the estimator is wrapped in one of Fairlearn's classes."""
        return self.targets()[0].startswith("fairlearn.")

    @property
    def cross_validates(self) -> bool:
        """Return whether training has to predict rows with models that were not trained on them."""
        tuned = self.threshold is not None and self.threshold.known is None
        return self.calibration is not None or tuned

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

"""Check what the training process says about the threshold, against the model that it returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from governed_ml.core.bodies.trained import DecisionThreshold
from governed_ml.core.config.model import Model
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models

if TYPE_CHECKING:
    import pandas as pd

ASKED = 2000  # most training rows for which the model is asked
ROUNDING = 1e-6  # a library that computes in single precision may round either way so near to it
FIX = "do not replace what the engine puts around the model, in src/"


def threshold(model: Model, said: Any) -> DecisionThreshold | None:
    """Return the threshold as evidence has it; `said` is what the training process has chosen."""
    wanted = model.threshold
    if wanted is None:
        return None
    how = "set" if wanted.value is not None else "costs" if wanted.costs else "maximise"
    given: Any = {"value": wanted.known, "validated": {}} if wanted.known is not None else said
    try:
        found = DecisionThreshold(
            value=given["value"],
            how=how,
            maximised=wanted.maximise,
            at_least={str(name): least for name, least in (wanted.at_least or {}).items()},
            costs=wanted.costs.model_dump() if wanted.costs else {},
            validated=given["validated"],
        )
    except (ValidationError, TypeError, KeyError) as error:
        raise Problem(f"training did not say which threshold it chose: {FIX}") from error
    return _require_held(found)


def _require_held(said: DecisionThreshold) -> DecisionThreshold:
    """Raise `Problem` unless the metrics are those that were asked for, and hold."""
    asked = {*said.at_least, *([said.maximised] if said.maximised else [])}
    lost = [name for name, least in said.at_least.items() if said.validated.get(name, -1.0) < least]
    if asked - {*said.validated} or lost:
        raise Problem(
            f"training says of its threshold {said.validated}, which does not fit `threshold` in "
            f"conf/model: {FIX}"
        )
    return said


def require_applied(content: bytes, rows: pd.DataFrame, value: float, alone: bool = False) -> None:
    """Raise `Problem` if a model does not answer yes exactly from the probability `value` on.

    Of `rows`, the features of training rows, some are asked for. `alone`: see `models.opened`.
    """
    import numpy as np

    some = rows.iloc[:: max(1, len(rows) // ASKED)]
    with models.opened_bytes(content, alone=alone) as model:
        answers = np.asarray(model.predict(some))
        probabilities = np.asarray(model.predict_proba(some))[:, 1]
    clear = abs(probabilities - value) > ROUNDING
    if ((probabilities >= value) != (answers == 1))[clear].any():
        raise Problem(
            f"the trained model does not answer yes from a probability of {value:.4g} on: {FIX}"
        )

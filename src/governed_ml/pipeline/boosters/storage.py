"""Store the boosters of XGBoost, LightGBM and CatBoost in the formats of their libraries.

skops asks an object for its state. The state of a booster holds its trees in UBJSON (XGBoost), text
(LightGBM) or cbm (CatBoost). These formats hold no code. What else is in the state is reduced here
to plain values, without what differs between two equal trainings. XGBoost restores a booster only
from UBJSON with two parts: `Model`, its format of model files, and `Config`, its parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

OF_THE_RUN = ("train_finish_time", "model_guid")
"""Metadata of CatBoost that differ between two equal trainings."""
IMPORTANCES = ("_prediction_values_change", "_loss_value_change")
"""What CatBoost keeps besides the trees: lists of NumPy's numbers."""


def dumps(model: Any) -> bytes:
    """Return a model in skops format, with boosters in their libraries' formats."""
    import skops.io

    teach_skops()
    return skops.io.dumps(model)


def teach_skops() -> None:
    """Have skops store boosters as this module says, for the libraries that are imported."""
    dispatch: Any = getattr(import_module("skops.io._utils"), "_get_state")  # noqa: B009
    _teach_records(dispatch)
    for name, attributes in STATES.items():
        module, _, kind = name.rpartition(".")
        if module in sys.modules:
            dispatch.register(getattr(sys.modules[module], kind), _stored(attributes))


@cache
def _teach_records(dispatch: Any) -> None:
    """Have skops store zeros between the fields of a record, as in the nodes of a tree.

    Nothing sets these bytes when such an array is copied, so two equal trainings would differ.
    """
    import numpy as np

    before = dispatch.dispatch(np.ndarray)

    def node(found: Any, context: Any) -> dict[str, Any]:
        if type(found) is np.ndarray and found.dtype.names:
            clean = np.zeros(found.shape, found.dtype)
            for name in found.dtype.names:
                clean[name] = found[name]
            found = clean
        return before(found, context)

    dispatch.register(np.ndarray, node)


def _stored(attributes: Callable[[Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a function that gives skops the node of an object with these attributes."""

    def node(found: Any, context: Any) -> dict[str, Any]:
        content = import_module("skops.io._utils").get_state(attributes(found), context)
        kind = type(found)
        head = {"__class__": kind.__name__, "__module__": kind.__module__}
        return head | {"__loader__": "ObjectNode", "content": content}

    return node


def _xgboost(booster: Any) -> dict[str, Any]:
    return {"handle": booster.__getstate__()["handle"]}


def _lightgbm(found: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in found.__getstate__().items()}


def _catboost(model: Any) -> dict[str, Any]:
    if not model.is_fitted():
        return model.__getstate__()
    copied = model.copy()
    metadata = copied.get_metadata()
    for name in OF_THE_RUN:
        if name in metadata.keys():  # noqa: SIM118 - it is no dictionary
            del metadata[name]
    state = copied.__getstate__()
    for name in IMPORTANCES:
        if name in state:
            state[name] = [float(value) for value in state[name]]
    return state


def _plain(value: Any) -> Any:
    """Return a dictionary of any kind as a `dict`, and other values as they are."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


STATES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "xgboost.core.Booster": _xgboost,
    "lightgbm.basic.Booster": _lightgbm,
    "lightgbm.sklearn.LGBMModel": _lightgbm,
    "catboost.core._CatBoostBase": _catboost,
}
"""Class → the attributes that are stored for an object of it."""

"""The closed list of classes that a model's file may contain if the engine's own process loads it.

The team controls the content of a model file: every attribute of every object in it. So a class is
harmless only if no attribute value can make a method open a file, import a module, or call
something. For example, `numpy.lib.npyio.NpzFile` unpickles a file when it is indexed. Models with
other classes work as well: a child process loads them (`pipeline/isolated/`).

A booster of XGBoost, LightGBM or CatBoost is stored in the format of its library (UBJSON, text,
cbm), which holds trees and no code. `pipeline/boosters/storage.py` writes it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

_OBJECTS: dict[str, tuple[str, ...]] = {
    "fairlearn.preprocessing._correlation_remover": ("CorrelationRemover",),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    "sklearn.ensemble._hist_gradient_boosting.predictor": ("TreePredictor",),
    "sklearn.metrics._dist_metrics": (
        *("EuclideanDistance64", "ManhattanDistance64", "ChebyshevDistance64"),
        *("MinkowskiDistance64", "HaversineDistance64"),
    ),
    "sklearn.gaussian_process.kernels": (
        *("ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation"),
        *("Matern", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
    ),
    "sklearn.gaussian_process._gpc": ("_BinaryGaussianProcessClassifierLaplace",),
    "sklearn.neighbors._ball_tree": ("BallTree",),
    "sklearn.neighbors._kd_tree": ("KDTree",),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
}
MADE_EMPTY = {
    "numpy.dtype": "DTypeNode",
    "sklearn.tree._tree.Tree": "TreeNode",
    **{f"{home}.{name}": "ObjectNode" for home, names in _OBJECTS.items() for name in names},
}
"""Class that skops does not trust by itself → the node of its schema that makes it.

`tests/engine/core/test_plain_models.py` fits what scikit-learn offers, and finds each of these.
"""
ESTIMATORS = (
    *("xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"),
    *("lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor"),
    *("catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor"),
)
"""The estimators of the extras that `conf/model` may name and that this process may load."""
PAYLOADS = {
    "xgboost.core.Booster": ("handle", "BytearrayNode"),
    "lightgbm.basic.Booster": ("_handle", "JsonNode"),
    "catboost.core.CatBoostClassifier": ("__model", "BytesNode"),
    "catboost.core.CatBoostRegressor": ("__model", "BytesNode"),
}
"""Class with trees in its library's format → the attribute that holds them, and its node."""
DATA = (
    *("JsonNode", "DictNode", "ListNode", "TupleNode", "BytesNode", "BytearrayNode"),
    "TypeNode",
)
HARMLESS = (
    *("ObjectNode", "TreeNode", "DTypeNode", "LossNode", "TypeNode", "JsonNode"),
    *("DictNode", "DefaultDictNode", "ListNode", "SetNode", "TupleNode", "SliceNode"),
    *("BytesNode", "BytearrayNode", "NdArrayNode", "MaskedArrayNode", "SparseMatrixNode"),
    *("RandomStateNode", "RandomGeneratorNode"),
)
"""Nodes that may hold what skops trusts by itself; functions, methods and partials are not here."""
PIPELINE = "sklearn.pipeline.Pipeline"


def is_plain(schema: dict[str, Any], unknown: set[str]) -> bool:
    """Return whether a skops schema names only harmless classes.

    `unknown` are the types that skops does not trust by default. Functions of a library are not
    harmless: `numpy.load` in a `FunctionTransformer` would read files.
    """
    from skops.io._protocol import PROTOCOL

    nodes = list(_nodes(schema))
    named = {_name(node) for node in nodes}
    return (
        schema.get("protocol") == PROTOCOL  # other nodes read older protocols
        and unknown <= named
        and all(_is_harmless(node, unknown) for node in nodes)
    )


def _nodes(node: Any) -> Generator[dict[str, Any]]:
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if "__loader__" in one:
                yield one
            todo += one.values()
        elif isinstance(one, list):
            todo += one


def _is_harmless(node: dict[str, Any], unknown: set[str]) -> bool:
    """Return whether loading a node creates an object without calling anything the file names."""
    loader, name = node["__loader__"], _name(node)
    if name == PIPELINE and not _has_steps(node):
        return False
    if name in PAYLOADS and not _has_payload(node):
        return False
    if name in unknown:
        made = "ObjectNode" if name in (*ESTIMATORS, *PAYLOADS) else MADE_EMPTY.get(name)
        return made == loader
    return loader in HARMLESS


def _has_payload(node: dict[str, Any]) -> bool:
    """Return whether a booster has its trees, if any, in the expected node, and else only data."""
    attribute, kind = PAYLOADS[_name(node)]
    try:
        content = node["content"]
        trees = content["content"].get(attribute, {"__loader__": kind})
        named = trees["__loader__"]
    except (AttributeError, KeyError, TypeError):
        return False
    plain = all(one["__loader__"] in DATA for one in _nodes(content["content"]))
    return plain and named == kind and _name(content) == "builtins.dict"


def _has_steps(node: dict[str, Any]) -> bool:
    """Return whether a pipeline's steps are a list.

    The pipeline indexes its steps, so another object there could run code.
    """
    try:
        return node["content"]["content"]["steps"]["__loader__"] == "ListNode"
    except (KeyError, TypeError):
        return False


def _name(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"

"""Settings of XGBoost, LightGBM and CatBoost that the engine adds or refuses.

Added are those with which two trainings agree, refused are those that use files or other machines.
"""

from __future__ import annotations

from typing import Any

from governed_ml.core.installation.extras import BOOSTERS
from governed_ml.core.problem import Problem

SEEDS = {
    "xgboost": ("random_state", "seed"),
    "lightgbm": ("random_state", "seed", "random_seed"),
    "catboost": ("random_seed", "random_state"),
}
"""Package → the names of its seed; the first is set."""
ADDED: dict[str, tuple[tuple[tuple[str, ...], Any], ...]] = {
    "xgboost": ((("n_jobs", "nthread"), 1),),
    "lightgbm": (
        (("n_jobs", "num_threads", "num_thread", "nthread", "nthreads"), 1),
        (("deterministic",), True),
        (("force_row_wise", "force_col_wise"), True),
        (("verbose", "verbosity"), -1),
    ),
    "catboost": (
        (("thread_count",), 1),
        (("verbose", "silent", "logging_level", "verbose_eval"), False),
        (("allow_writing_files",), False),
    ),
}
"""Package → settings that are added unless one of their names is set: one thread, no output."""
OUTSIDE = (
    *("callback", "callbacks", "train_dir", "allow_writing_files", "save_snapshot"),
    *("snapshot_file", "input_borders", "output_borders", "roc_file"),
    *("forcedsplits_filename", "fs", "forced_splits_filename", "forced_splits_file"),
    *("forced_splits", "forcedbins_filename", "parser_config_file", "config", "config_file"),
    *("input_model", "model_input", "model_in", "output_model", "model_output", "model_out"),
    *("machines", "workers", "nodes", "machine_list_filename", "machine_list_file", "machine_list"),
    "mlist",
)
"""Settings with which one of the libraries reads or writes files, or connects to other machines."""


def library(node: object) -> str:
    """Return the package of a `_target_` if it is one of the three; else an empty text."""
    target = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    first = target.partition(".")[0]
    return first if first in BOOSTERS else ""


def completed(node: Any, seed: int) -> Any:
    """Return a configuration in which each estimator of the three libraries has all it needs.

    It gets a seed, one thread and no output, unless these are set.
    """
    if isinstance(node, list):
        return [completed(item, seed) for item in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {key: completed(value, seed) for key, value in node.items()}
    package = library(made)
    if package:
        for names, value in ((SEEDS[package], seed), *ADDED[package]):
            if not any(made.get(name) is not None for name in names):
                made[names[0]] = value
    return made


def require_inside(targets: list[str], node: object) -> None:
    """Raise `Problem` for a setting in `OUTSIDE`, if any of the targets is of the three libraries.

    A search may set it as `estimator__train_dir`.
    """
    if not any(library({"_target_": target}) for target in targets):
        return
    if isinstance(node, list):
        for item in node:
            require_inside(targets, item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if str(key).rpartition("__")[2] in OUTSIDE and value not in (None, False):
            raise Problem(
                f"conf/model: {key} lets the library use files or other machines, or call "
                "functions: remove this setting"
            )
        require_inside(targets, value)

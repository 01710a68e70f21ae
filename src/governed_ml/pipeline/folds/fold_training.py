"""Train one model for each fold, in a process that gets none of the fold's rows."""

from __future__ import annotations

import shutil
from pathlib import Path

from governed_ml.core import model_file
from governed_ml.core.config import dvc_files
from governed_ml.core.config.params import Params
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.files import read_json, write_json
from governed_ml.core.problem import Problem
from governed_ml.pipeline.folds import fold_models, fold_tables
from governed_ml.pipeline.training import RowsOfFit, Trained, Training


def trained(params: Params, split: SplitBody, run: dict[str, str]) -> list[Trained]:
    """Train the model of each fold and write its file; the list is empty without folds.

    `run` identifies the open MLflow run, to which nothing of these models is logged. Each model is
    fitted in a process of its own, because code that has seen other rows may remember them. The
    next process starts, and imports its libraries, while the fit before runs.
    """
    _empty_folder(needed=bool(split.folds))
    if not split.folds:
        return []
    done: list[Trained] = []
    with fold_tables.written() as folds:
        waiting: list[Training] = []
        try:
            for fold in folds:
                rows = RowsOfFit(fold.train, fold.test, fold_models.path_of(fold.number))
                waiting.append(Training(params, split, rows))
                if len(waiting) > 1:
                    done.append(_finished(waiting, run))
            done.append(_finished(waiting, run))
        finally:
            for training in waiting:
                training.close()
    each = [model_file.digest(fold_models.path_of(fold.number)) for fold in folds]
    write_json(fold_models.INDEX, each)
    return done


def digests() -> list[str] | None:
    """Return the digest of the model of each fold, as `trained` wrote them; None without folds."""
    return (read_json(fold_models.INDEX) if fold_models.INDEX.is_file() else None) or None


def without_folds() -> None:
    """Write an empty list of models if there is none: the output of a stage must exist."""
    if _is_output() and not fold_models.INDEX.is_file():
        write_json(fold_models.INDEX, [])


def _is_output() -> bool:
    return model_file.FOLDS.as_posix() in dvc_files.declared(Path())["train"].outs


def _empty_folder(*, needed: bool) -> None:
    """Delete the models of earlier folds.

    Raise `Problem` if folds are needed, but `dvc.yaml` is of a template that had none.
    """
    shutil.rmtree(model_file.FOLDS, ignore_errors=True)
    if needed and not _is_output():
        raise Problem(
            f"dvc.yaml does not name {model_file.FOLDS.as_posix()} among the outputs of train, "
            "which cross-validation needs: run `uv run --group tools governance update`"
        )


def _finished(waiting: list[Training], run: dict[str, str]) -> Trained:
    waiting[0].fit(run)
    found = waiting[0].finish()
    del waiting[0]
    return found

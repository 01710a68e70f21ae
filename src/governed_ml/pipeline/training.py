"""Train a model: the team's code fits it in a child process, and the engine checks the result.

With a mitigation, only the team's features are fitted there. The engine runs the search, because it
needs the groups of the training rows, which the team's code never gets.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from governed_ml.core import model_file, tables
from governed_ml.core.bodies.trained import DecisionThreshold, Folds
from governed_ml.core.code import stage_code, team
from governed_ml.core.config.params import Params
from governed_ml.core.evidence_bodies import Mitigation, SplitBody
from governed_ml.core.problem import Problem, cause, first_line
from governed_ml.pipeline import estimators, mitigation, models
from governed_ml.pipeline.boosters import storage
from governed_ml.pipeline.isolated import fit_process
from governed_ml.pipeline.isolated.child_process import ALONE
from governed_ml.pipeline.isolated.process import Process, sent
from governed_ml.pipeline.mitigation import Unmitigated
from governed_ml.pipeline.probabilities import folds, told
from governed_ml.pipeline.probabilities.requested import require_possible

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

HIDDEN = (tables.TEST, tables.RAW, tables.PREDICTIONS, tables.SENSITIVE_TRAIN,
          tables.SENSITIVE_TEST)  # fmt: skip
"""Files that the process must not be able to read. It tests this, and stops if it can."""
HIDDEN_FROM_FOLDS = (*HIDDEN, tables.TRAIN, tables.FOLDS)
"""The same for a process that must not get all rows."""


class RowsOfFit(NamedTuple):
    """The files with the rows of one fit and with those that test it, and where its model goes.

    If `alone`, the process shares no memory with any other.
    """

    train: Path
    test: Path
    model: Path
    alone: bool = True

    @property
    def hidden(self) -> list[str]:
        """Return the files that the process must not be able to read."""
        others = (*HIDDEN_FROM_FOLDS, self.train, self.test) if self.alone else HIDDEN
        return [str(path.absolute()) for path in others]


WHOLE = RowsOfFit(tables.TRAIN, tables.TEST, model_file.PATH, alone=False)
"""The rows of the released model."""


@dataclass
class Trained:
    """The result of training, besides the model file."""

    isolation: str
    logged: bytes = b""  # the team's MLflow entries
    mitigation: Mitigation | None = None
    unmitigated: Unmitigated | None = None
    threshold: DecisionThreshold | None = None
    folds: Folds | None = None


class Training:
    """One training. Its process starts at once, so that it imports while other work runs."""

    def __init__(self, params: Params, split: SplitBody, rows: RowsOfFit = WHOLE) -> None:
        """Start the process with the training rows and the source of the team's package."""
        self.params, self.split, self.rows = params, split, rows
        require_possible(params.model, params.data.task, len(split.classes or []))
        self.package, self.packages = stage_code.package("train"), params.model.packages or []
        self.names = mitigation.attributes(params.model, split.sensitive)
        self.where = f"src/{self.package.name}/{team.FEATURES if self.names else team.TRAINING}.py"
        try:
            content = rows.train.read_bytes()
        except OSError as error:
            raise Problem(
                f"{rows.train.as_posix()} cannot be read: {cause(error)}; run `uv run dvc repro`"
            ) from error
        job = {
            "do": "encode" if self.names else "fit",
            "whose": self.where,
            "package": sent(self.package),
            "model": params.model.model_dump(mode="json"),
            "task": params.data.task,
            "classes": classes(params.data.task, split),
            "seed": params.seed,
            "numeric": split.numeric,
            "categorical": split.categorical,
            "cores": cores(),
            "hidden": rows.hidden,
            "variables": {ALONE: "1"} if rows.alone else {},
        }
        self.folds: list[folds.Fold] = []
        if params.model.cross_validates:
            self.folds = folds.divided(
                split, tables.read(rows.train, [tables.ROW, tables.TARGET]), params.seed
            )
        parts = [folds.packed(self.folds)] if self.folds else []
        self.process = Process(fit_process, self.where, job, content, *parts)

    def fit(self, run: dict[str, str]) -> None:
        """Start the fit in the process; `run` identifies the open MLflow run."""
        if not self.names:
            self.process.tell(run)

    def finish(self) -> Trained:
        """Wait for the fitted model, and write its file."""
        try:
            if self.names:
                return self._mitigated()
            head, parts = self.process.answer()
            content, log = _part(parts, 0), _part(parts, 1)
            threshold = told.threshold(self.params.model, head.get("threshold"))
            if threshold is not None:
                alone = self.rows.alone
                names = self.split.numeric + self.split.categorical
                whole = model_file.sealed(content, self.package, self.packages)
                told.require_applied(
                    whole, tables.read(self.rows.train)[names], threshold.value, alone
                )
            self._save(content)
            made = folds.described(self.split, self.folds) if self.folds else None
            return Trained(self.process.isolation, log, threshold=threshold, folds=made)
        finally:
            self.close()

    def close(self) -> None:
        """End the process."""
        self.process.close()

    def _save(self, content: bytes) -> None:
        classes = self.split.classes
        model_file.save(content, self.package, self.packages, self.rows.model, classes=classes)

    def _mitigated(self) -> Trained:
        import pandas as pd
        from sklearn.pipeline import Pipeline

        _, parts = self.process.answer()
        encoder = model_file.sealed(_part(parts, 0), self.package, self.packages)
        frame = tables.read(self.rows.train)
        matrix = _matrix(_part(parts, 1), len(frame), self.where)
        made = estimators.estimator(self.params.model, self.params.data.task, self.params.seed)
        groups = mitigation.groups(self.names, frame)
        try:
            chosen, plain, done = mitigation.search(made, matrix, frame[tables.TARGET], groups)
        except Exception as error:  # an estimator may raise anything
            raise Problem(
                f"conf/model: {self.params.model.name} cannot be fitted: {first_line(error)}; "
                "correct its settings, or choose another model in conf/config.yaml"
            ) from error
        test = tables.read(self.rows.test)
        with models.opened_bytes(encoder, alone=self.rows.alone) as features:
            names = self.split.numeric + self.split.categorical
            encoded = features.transform(test[names])
            if isinstance(features, Pipeline):
                content = storage.dumps(Pipeline([*features.steps, ("estimator", chosen)]))
            else:
                content = self._assembled(encoder, storage.dumps(chosen))
                rows = pd.concat([frame[names], test[names]], ignore_index=True)
                whole = model_file.sealed(content, self.package, self.packages)
                matrix, alone = features.transform(rows), self.rows.alone
                require_answers(whole, rows, chosen, matrix, self.where, alone=alone)
        self._save(content)
        without = mitigation.unmitigated(plain, encoded, test[tables.TARGET])
        return Trained(self.process.isolation, mitigation=done, unmitigated=without)

    def _assembled(self, encoder: bytes, estimator: bytes) -> bytes:
        """Return one model of features that carry code and an estimator, combined in a process."""
        job: dict[str, Any] = {"do": "assemble", "whose": self.where, "package": sent(self.package)}
        job["variables"] = {ALONE: "1"} if self.rows.alone else {}
        process = Process(fit_process, self.where, job, encoder, estimator)
        try:
            return _part(process.answer()[1], 0)
        finally:
            process.close()


def require_answers(
    content: bytes,
    rows: pd.DataFrame,
    chosen: Any,
    matrix: npt.NDArray[np.float64],
    where: str,
    *,
    alone: bool = False,
) -> None:
    """Raise `Problem` if the combined model does not predict like the chosen estimator.

    `matrix`, shape (rows, columns), are the encoded `rows`. `alone`: see `models.opened`.
    """
    import numpy as np

    with models.opened_bytes(content, alone=alone) as model:
        same = np.array_equal(model.predict(rows), chosen.predict(matrix))
        if same and hasattr(chosen, "predict_proba"):
            found = model.predict_proba(rows) if hasattr(model, "predict_proba") else np.nan
            same = np.allclose(found, chosen.predict_proba(matrix), rtol=1e-6, atol=1e-9)
    if not same:
        raise Problem(
            f"{where}: the trained model answers differently from the mitigated estimator of "
            "conf/model: do not replace or wrap that estimator in src/"
        )


def classes(task: str, split: SplitBody) -> int:
    """Return the number of classes that a model must have; 0 for a regression."""
    return len(split.classes or (0, 1)) if task == "classification" else 0


def cores() -> int:
    """Return the number of cores that scikit-learn uses for its threads."""
    import joblib

    return int(joblib.cpu_count(only_physical_cores=True))


def _part(parts: list[bytes], place: int) -> bytes:
    if place >= len(parts):
        raise Problem(
            "the process of the team's code left out a part of its answer: remove what writes to "
            "the engine's channel from src/"
        )
    return parts[place]


def _matrix(content: bytes, rows: int, where: str) -> Any:
    import numpy as np

    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise Problem(f"{where}: preprocessing gives no table of numbers: return one") from error
    if found.ndim != 2 or len(found) != rows or found.dtype != np.float64:
        raise Problem(
            f"{where}: preprocessing gives {found.shape} values for {rows:,} rows: return one row "
            "for each"
        )
    return found

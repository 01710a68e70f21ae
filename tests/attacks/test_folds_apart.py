"""The team's code cannot learn a fold's rows: not from files, not from another fold's process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import team_projects
from sklearn.metrics import roc_auc_score
from team_projects import CATEGORICAL, LOGISTIC, NUMERIC, RUN, in_own_folder  # noqa: F401

from governed_ml.core import model_file, tables
from governed_ml.core.code import sandbox
from governed_ml.core.config.model import Model
from governed_ml.core.evidence_bodies import SplitBody
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models
from governed_ml.pipeline.folds import champion_anew, fold_models, fold_training
from governed_ml.pipeline.training import WHOLE, RowsOfFit

pytestmark = pytest.mark.slow
landlock = pytest.mark.skipif(
    not sandbox.version(),
    reason="this system has no Landlock: isolation is by location only, and evidence says so",
)
PIPELINE = "stages:\n  train:\n    cmd: governance stage train\n    outs: [models/folds]\n"
REMEMBERING = """
import os, tempfile
from pathlib import Path
import pandas as pd

SEEN = []
WHERE = {where!r}
KEPT = [Path("/dev/shm/rows"), Path(WHERE, "rows"), Path("rows"),
        Path(tempfile.gettempdir(), "rows")]

def known():
    yield from SEEN
    for place in [*KEPT, *(Path(WHERE, "data/split", one) for one in
                           ("train.parquet", "test.parquet", "folds.parquet"))]:
        try:
            yield pd.read_parquet(place)
        except (OSError, ValueError) as error:
            print("kept out:", type(error).__name__)

def fit(pipeline, features, target):
    more = list(known())
    print("other rows:", sum(len(one) for one in more))
    whole = features.assign(__target=target)
    SEEN.append(whole)
    for place in KEPT:
        try:
            whole.to_parquet(place)
        except OSError as error:
            print("not kept:", type(error).__name__)
    return pipeline.fit(features, target)
"""


def trained(here: Path, training: str, pipeline: str = PIPELINE) -> list[Any]:
    """Train on three folds of a project's 600 rows with this module; return what training says."""
    team_projects.make(here, training=training)
    (here / "dvc.yaml").write_text(pipeline, encoding="utf-8")
    rows = team_projects.rows(600, 1)
    for path in (tables.TRAIN, tables.TEST):
        rows.to_parquet(path)
    folds = pd.DataFrame({tables.ROW: rows[tables.ROW], tables.FOLD: rows[tables.ROW] % 3 + 1})
    folds.to_parquet(tables.FOLDS)
    params: Any = SimpleNamespace(
        model=Model(name="a_model", estimator=LOGISTIC),
        data=SimpleNamespace(task="classification"),
        seed=7,
    )
    split = SplitBody(
        kind="cross_validated",
        rows={"train": 600, "test": 600},
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        sensitive={"sex": {"f": 300, "m": 300}},
        cut=None,
        folds=[200, 200, 200],
    )
    return fold_training.trained(params, split, RUN)


@landlock
def test_code_that_remembers_rows_sees_none_of_another_fold(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given code that keeps its rows in memory, in files and in shared memory, and looks everywhere
    found = trained(here, REMEMBERING.format(where=str(here)))
    # Then each fit saw no other rows, and each isolation is told
    said = capfd.readouterr().err
    assert said.count("other rows: 0") == 3, said
    assert said.count("other rows: ") == 3
    assert len(found) == 3
    assert all(one.isolation.startswith("landlock") for one in found)
    assert not Path(sandbox.SHARED_MEMORY, "rows").exists()
    # And the three models differ, because each has other rows
    assert len({*(fold_training.digests() or [])}) == 3
    assert not model_file.PATH.exists()


def test_a_fold_hides_the_table_of_all_rows_and_the_released_model_does_not_need_to() -> None:
    rows = RowsOfFit(Path("a"), Path("b"), Path("c"))
    hidden = {Path(name).name for name in rows.hidden}
    assert {tables.TRAIN.name, tables.TEST.name, tables.FOLDS.name, tables.RAW.name} <= hidden
    assert str(tables.TRAIN.absolute()) in rows.hidden
    assert str(tables.TRAIN.absolute()) not in WHOLE.hidden


def test_an_older_pipeline_says_how_to_get_folds(here: Path) -> None:
    with pytest.raises(Problem, match="governance update"):
        trained(here, team_projects.HONEST, PIPELINE.replace("models/folds", "models/model.skops"))
    assert not fold_models.INDEX.exists()


def test_a_champion_with_the_teams_classes_is_fitted_anew_in_a_process(here: Path) -> None:
    # Given a champion that carries code of the team, fitted on all rows
    team_projects.make(here, features=team_projects.OWN_FEATURES)
    rows = team_projects.rows(600, 1)
    for path in (tables.TRAIN, tables.TEST):
        rows.to_parquet(path)
    folds = pd.DataFrame({tables.ROW: rows[tables.ROW], tables.FOLD: rows[tables.ROW] % 3 + 1})
    folds.to_parquet(tables.FOLDS)
    team_projects.train()
    content = model_file.PATH.read_bytes()
    assert not model_file.is_plain(content)
    # When it is fitted anew on the folds
    found = champion_anew.scores(
        model_file.PATH, tables.read(tables.TEST), NUMERIC + CATEGORICAL, "classification"
    )
    # Then it answers each row, differently from the champion itself, and well
    with models.opened() as champion:
        seen = champion.predict_proba(rows[NUMERIC + CATEGORICAL])[:, 1]
    assert found.shape == (600,)
    assert (found != seen).mean() > 0.9
    assert roc_auc_score(rows[tables.TARGET], found) > 0.9

"""The rows of each group, counted and summed where the tables are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.pipeline.stages import fairness as stage

CONFIDENCE = 0.95


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Predictions and sensitive attributes as files; returns the test rows as one frame."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(9)
    rows = 3000
    whole = pd.DataFrame(
        {
            tables.ROW: rng.permutation(rows),
            "part": np.where(rng.random(rows) < 0.4, "test", "train"),
            tables.TARGET: rng.integers(0, 2, rows),
            "score": rng.random(rows),
            "prediction": rng.integers(0, 2, rows),
            "sex": rng.choice(["f", "m"], rows),
            'it\'s "odd"': rng.choice(["a*b", "ü", "missing"], rows),
        }
    )
    sensitive = [tables.ROW, "sex", 'it\'s "odd"']
    tables.write(whole.drop(columns=sensitive[1:]), tables.PREDICTIONS)
    for part, path in (("train", tables.SENSITIVE_TRAIN), ("test", tables.SENSITIVE_TEST)):
        tables.write(whole.loc[whole["part"] == part, sensitive].sort_values(tables.ROW), path)
    return whole[whole["part"] == "test"]


def test_one_contingency_table_counts_every_test_row_once(parts: Any) -> None:
    names = ("sex", 'it\'s "odd"')
    stage.require_joined()
    cells, counts = stage.contingency(names)
    keys = [*names, tables.TARGET, "prediction"]
    wanted = parts.groupby(keys).size()
    assert counts.sum() == len(parts)
    for cell, block in zip(cells, counts, strict=True):
        for label in (0, 1):
            for prediction in (0, 1):
                assert block[label, prediction] == wanted.get((*cell, label, prediction), 0)


def test_moments_equal_pandas_and_are_the_same_every_time(parts: Any) -> None:
    cells, found = stage.moments(("sex",))
    groups = parts.groupby("sex")
    assert [cell[0] for cell in cells] == list(groups.groups)
    assert found.n.tolist() == groups.size().tolist()
    mean = groups[[tables.TARGET, "prediction"]].mean().to_numpy()
    assert found.mean[:, :2] == pytest.approx(mean, abs=1e-12)
    variance = groups["prediction"].var(ddof=0).to_numpy()
    assert found.squares[:, 1] / found.n == pytest.approx(variance, abs=1e-12)
    signed = (parts["prediction"] - parts[tables.TARGET]).groupby(parts["sex"])
    assert found.mean[:, 3] == pytest.approx(signed.mean().to_numpy(), abs=1e-12)
    assert found.squares[:, 3] / found.n == pytest.approx(signed.var(ddof=0).to_numpy(), abs=1e-12)
    cubes = signed.agg(lambda errors: ((errors - errors.mean()) ** 3).sum()).to_numpy()
    assert found.cubes[:, 3] == pytest.approx(cubes, abs=1e-9)
    assert found.mean.tobytes() == stage.moments(("sex",))[1].mean.tobytes()


def test_a_training_group_without_test_rows_is_reported(parts: Any) -> None:
    train = tables.read(tables.SENSITIVE_TRAIN)
    train.loc[train.index[:5], "sex"] = "x"
    tables.write(train, tables.SENSITIVE_TRAIN)
    _, metrics, _ = stage.gaps("classification", ("sex",), CONFIDENCE)
    assert metrics["sex.demographic_parity_difference"].value is None
    assert "no test rows in group x" in metrics["sex.demographic_parity_difference"].note


@pytest.mark.parametrize("fault", ["lost", "twice", "strange"])
def test_predictions_without_their_sensitive_attributes_are_refused(parts: Any, fault: str) -> None:
    frame = tables.read(tables.SENSITIVE_TEST)
    if fault == "lost":
        frame = frame.iloc[1:]
    elif fault == "twice":
        frame = pd.concat([frame.iloc[:-1], frame.iloc[:1]])
    else:
        frame.loc[frame.index[0], tables.ROW] = 10**9
    tables.write(frame, tables.SENSITIVE_TEST)
    with pytest.raises(Problem, match="dvc repro"):
        stage.require_joined()


def test_a_group_that_the_sample_has_few_rows_of_gets_more(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a sample of 200 rows, in which a group of 90 train rows has a few only
    train = tables.read(tables.SENSITIVE_TRAIN)
    train.loc[train.index[:90], "sex"] = "x"
    tables.write(train, tables.SENSITIVE_TRAIN)
    features = train[[tables.ROW]].assign(size=1.0, **{tables.TARGET: 0})
    tables.write(features, tables.TRAIN)
    monkeypatch.setattr(stage, "SAMPLE", 200)
    # When the sample is drawn, then all rows of the group are in it, and each row once
    _, sensitive, _ = stage.proxy_sample(("sex",))
    assert (sensitive["sex"] == "x").sum() == 90
    assert 200 < len(sensitive) < 400

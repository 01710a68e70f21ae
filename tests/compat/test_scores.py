"""What earlier engines released scores as it did: the statement by which `predict` uses it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from governed_ml.core.code.engine import identity
from governed_ml.core.problem import Problem
from governed_ml.pipeline import predict_version
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.registry.release import scored_alike
from governed_ml.registry.release.bundle import Checked, Statement
from governed_ml.registry.release.scored_alike import HELD, UNNAMED, require_scored_alike

HERE = Path(__file__).parent
RELEASES = sorted(path.stem for path in HERE.glob("*.zip"))
SCORES: dict[str, list[float]] = json.loads((HERE / "scores.json").read_text(encoding="utf-8"))
"""Release → what its model says of `rows.csv`, asked without the engine: skops and scikit-learn."""


def statement(folder: Path) -> Statement:
    path = folder / "bundle" / "governance" / "statement.json"
    return Statement.model_validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """One release, unpacked."""
    with zipfile.ZipFile(HERE / f"{request.param}.zip") as archive:
        archive.extractall(tmp_path / "release")
    return request.param, tmp_path / "release"


def test_the_statement_names_the_releases_that_are_here() -> None:
    assert list(HELD) == RELEASES == sorted(SCORES)
    assert UNNAMED in HELD


def test_a_sealed_release_predicts_its_recorded_scores(
    release: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a release and rows with gaps and categories that training did not have
    name, folder = release
    require_scored_alike(statement(folder))
    checked = Checked(folder / "bundle", cast("Any", None))
    origin = ServedVersion(
        version=1,
        state="champion",
        digest=checked.evidence()["train"].subject.model,  # pyright: ignore
        model=checked.model,
        evidence=checked.evidence(),
        data=checked.params().data,
    )
    # When they are predicted with today's engine
    monkeypatch.chdir(tmp_path)
    done = predict_version.predict(origin, HERE / "rows.csv", tmp_path / "out.csv", "request")
    # Then every score is that of then
    found = pd.read_csv(tmp_path / "out.csv")["score"]
    assert done.rows == len(found) == len(SCORES[name])
    assert found.to_numpy() == pytest.approx(SCORES[name], rel=0, abs=1e-12)


@dataclass
class Named:
    version: int
    engine_version: str | None


@pytest.mark.parametrize("made", [*HELD, None, identity().version])
def test_a_release_of_an_engine_with_a_compatibility_test_is_scored(made: str | None) -> None:
    require_scored_alike(cast("Any", Named(3, made)))


@pytest.mark.parametrize("made", ["0.2.1", "1.0.0", "unknown", ""])
def test_a_release_of_an_engine_without_a_compatibility_test_is_refused(
    made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an engine that runs, and a release of another that no test holds
    running = replace(identity(), version="0.4.0")
    monkeypatch.setattr(scored_alike, "identity", lambda: running)
    require_scored_alike(cast("Any", Named(3, "0.4.0")))
    # Then it does not score, and says with which engine it would
    with pytest.raises(Problem) as one:
        require_scored_alike(cast("Any", Named(3, made)))
    assert str(one.value).startswith(f"version 3 was measured with engine {made}, and engine 0.4.0")
    assert "0.1.0, 0.2.0, 0.3.0, 0.4.0 only" in str(one.value)
    assert one.value.exit_code == 1

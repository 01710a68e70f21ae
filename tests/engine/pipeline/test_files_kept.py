"""No command deletes or overwrites a file that it did not write."""

from __future__ import annotations

from pathlib import Path

import baked
import pandas as pd
import pytest

from governed_ml.core.config.data import Source
from governed_ml.core.installation.lockfile import LOCK
from governed_ml.core.problem import Problem
from governed_ml.core.tables import LOGGED
from governed_ml.pipeline.predict_version import checked_request
from governed_ml.pipeline.stages import compose
from governed_ml.scaffold.update import update


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_predictions_overwrite_predictions_only(tmp_path: Path, ending: str) -> None:
    # Given predictions of yesterday, and somebody's table, under names for predictions
    ours, theirs = tmp_path / f"out{ending}", tmp_path / f"loans{ending}"
    for path, columns in ((ours, list(LOGGED)), (theirs, ["age", "income"])):
        frame = pd.DataFrame([[1] * len(columns)], columns=columns)
        if ending == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
    # When both are named as output, then only the first is written again
    assert checked_request(tmp_path / "in.csv", ours, "r1") == "r1"
    with pytest.raises(Problem, match="exists and holds no predictions"):
        checked_request(tmp_path / "in.csv", theirs, "r1")


@pytest.mark.parametrize(
    "path", ["data/raw.parquet", "./data/../data/split/train.parquet", "{here}/data/raw.parquet"]
)
def test_a_source_in_the_place_of_an_output_is_refused_before_dvc_deletes_it(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a table that a team put where a stage writes
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    source = Source(kind="file", path=path.format(here=tmp_path.as_posix()))
    # When the configuration is composed, then it is refused, and what to do is said
    with pytest.raises(
        Problem,
        match=r"DVC deletes .* before the pipeline writes .*: move your file into data/source",
    ):
        compose.check_source(source)
    # And any other place, and an address, are as they were
    for good in ("data/source/raw.parquet", "data/raw.csv", "https://example.org/data/raw.parquet"):
        compose.check_source(Source(kind="file", path=good))


def test_a_refused_update_keeps_an_uncommitted_lock(tmp_path: Path) -> None:
    # Given a project with a lock and an edit that are in no commit
    baked.git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    (tmp_path / "README.md").write_text("One\n", encoding="utf-8")
    baked.commit_all(tmp_path, "Start")
    (tmp_path / "README.md").write_text("Two\n", encoding="utf-8")
    (tmp_path / LOCK).write_text("version = 1\n", encoding="utf-8")
    # When it is updated, then that is refused, and the lock is as it was
    with pytest.raises(Problem, match="uncommitted changes"):
        update(tmp_path, print)
    assert (tmp_path / LOCK).read_text(encoding="utf-8") == "version = 1\n"

"""The store of runs lies in the project, whatever the project's folder is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from governed_ml.core import mlflow_store
from governed_ml.core.mlflow_store import sqlite_url

NAMES = [
    "plain",
    "a b ü",
    "a[1]",
    "a#b",
    "a%b",
    "50%20c",
    *(["a?b=c&d"] if os.name != "nt" else []),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_address_of_a_database_is_read_as_its_path(name: str, tmp_path: Path) -> None:
    # Given a path, when its address is read, then it is that path and nothing but a path
    url = make_url(sqlite_url(tmp_path / name / "mlflow.db"))
    assert url.database == (tmp_path / name / "mlflow.db").as_posix()
    assert not url.query
    assert url.get_backend_name() == "sqlite"


@pytest.mark.parametrize("name", NAMES[-2:])
def test_runs_and_their_files_stay_in_the_project(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a folder with an odd name, and nothing beside it
    import mlflow

    base = tmp_path / "top" / name
    base.mkdir(parents=True)
    monkeypatch.chdir(base)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    try:
        # When a run is logged with a file
        experiment = mlflow_store.connect("odd")
        client = mlflow.MlflowClient()
        run = client.create_run(experiment).info.run_id
        client.log_text(run, "hello", "notes/a.txt")
        # Then both are in this folder, and can be read again
        assert mlflow_store.connect("odd") == experiment
        (found,) = client.list_artifacts(run, "notes")
        assert found.path == "notes/a.txt"
        assert [one.name for one in base.parent.iterdir()] == [name]
        assert sorted(one.name for one in base.iterdir()) == ["mlflow.db", "mlruns"]
    finally:
        mlflow.set_tracking_uri(None)

"""What MLflow's store says when it is locked, damaged, of another version or in another folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from governed_ml.core import mlflow_store
from governed_ml.core.problem import Problem
from governed_ml.doctor import stores
from governed_ml.registry import audit
from governed_ml.registry.versions import BUNDLE, Registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """The store of a project with one version, whose files lie in `loans/mlruns`."""
    folder = tmp_path_factory.mktemp("made") / "loans"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        registry = Registry("loans")
        _, run_id = registry.create({"commit": "a" * 40})
        files = folder.parent / "files"
        files.mkdir()
        (files / "model.skops").write_bytes(b"a model")
        registry.upload(run_id, files, BUNDLE)
    forget()
    yield folder
    forget()


def forget() -> None:
    """Be as a new process, which knows of no store."""
    import mlflow

    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """Another folder of the same project: a copy, of which the database knows nothing."""
    folder = tmp_path / "kredit [neu] 100%"
    shutil.copytree(made, folder)
    (folder / "pyproject.toml").write_text('[project]\nname = "loans"\n', encoding="utf-8")
    monkeypatch.chdir(folder)
    yield folder
    forget()


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_half_made_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a process that ends amid the making of MLflow's tables
    from mlflow.store.tracking import sqlalchemy_store

    whole = sqlalchemy_store.SqlAlchemyStore

    class Killed(whole):
        def __init__(self, *arguments: str) -> None:
            super().__init__(*arguments)
            raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", Killed)
    with pytest.raises(KeyboardInterrupt):
        mlflow_store.connect("loans")
    # Then there is no database, and the next process makes it
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.setattr(sqlalchemy_store, "SqlAlchemyStore", whole)
    assert mlflow_store.connect("loans") == mlflow_store.connect("loans")
    assert [one.name for one in tmp_path.iterdir()] == ["mlflow.db"]
    forget()


def revise(folder: Path, revision: str) -> None:
    """Say which revision of MLflow's schema a database has."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        db.commit()


@pytest.mark.parametrize(
    ("revision", "words", "not_this"),
    [
        ("0584bdc529eb", "was written by an older MLflow than MLflow 3.", "newer"),
        ("ffffffffffff", "was written by a newer MLflow than MLflow 3.", "upgrade"),
    ],
)
def test_a_store_of_another_mlflow_says_of_which(
    here: Path, revision: str, words: str, not_this: str
) -> None:
    # Given a store that another version of MLflow has written, when it is opened
    revise(here, revision)
    with pytest.raises(Problem) as refused:
        mlflow_store.connect("loans")
    # Then the line says which of the two is newer, and what to do; not that nobody answers
    said = str(refused.value)
    assert words in said
    assert ("mlflow db upgrade sqlite" in said) == (not_this == "newer")
    assert not_this not in said
    assert "check that it is running" not in said


def test_a_store_that_is_no_database_is_reported_as_damaged(here: Path) -> None:
    # Given a file that is no database, when it is opened
    (here / "mlflow.db").write_bytes(b"<<<<<<< HEAD\n" * 100)
    with pytest.raises(Problem, match=r"is damaged .*: put a whole copy of the file back"):
        mlflow_store.connect("loans")
    forget()
    # Then also who verifies the ledger is told so
    assert "is damaged (file is not a database): put a whole" in (audit.anchors_of(here)[1] or "")


def test_a_locked_store_is_in_use(here: Path) -> None:
    # Given a store that another process is writing to, when it is used
    path = here / "mlflow.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            closing(sqlite3.connect(path, timeout=0)) as db,
            pytest.raises(sqlite3.OperationalError) as caught,
        ):
            db.execute("SELECT * FROM registered_models")
    # Then the line says so, and not to put the file back or to look for a server
    said = mlflow_store.told("sqlite:////srv/mlflow.db", caught.value)
    assert said == (
        "MLflow at sqlite:////srv/mlflow.db is in use by another process (database is locked): "
        "wait until that run or `mlflow ui` ends, or stop it, then try again"
    )


def test_the_doctor_names_what_is_wrong_with_the_store(here: Path) -> None:
    # Given a store as this MLflow writes it, when the doctor looks, then it is only noted
    [row] = stores.mlflow(here)
    assert row.state == "note"
    # And one of another version, a damaged or a locked one is wrong, each for its own reason
    for revision, words in (("0584bdc529eb", "an older MLflow"), ("ffff", "a newer MLflow")):
        revise(here, revision)
        [row] = stores.mlflow(here)
        assert (row.state, words in row.line) == ("wrong", True)
    other = "mlflow was here"
    (here / "mlflow.db").write_bytes(other.encode() * 100)
    [row] = stores.mlflow(here)
    assert "is damaged" in row.line
    assert "check that it is running" not in row.line


@pytest.mark.nightly
def test_opening_a_locked_store_waits_and_reports_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a store that another process is writing to, when it is opened, or the ledger verified
    monkeypatch.setattr(mlflow_store, "DATABASE_RETRIES", 1)
    with closing(sqlite3.connect(here / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Problem, match="is in use by another process"):
            mlflow_store.connect("loans")
        forget()
        # Then both say so
        assert "is in use by another process" in (audit.anchors_of(here)[1] or "")


def test_an_error_unrelated_to_the_store_is_not_translated() -> None:
    # Given an error of somebody else's code, when it comes while MLflow is asked, then it stays
    with pytest.raises(KeyError), mlflow_store.answering():
        raise KeyError("incom")


def test_files_of_a_moved_project_are_found(made: Path, here: Path, tmp_path: Path) -> None:
    # Given a project with a version, whose folder is another one now
    before = made.rename(made.with_name("away"))
    try:
        registry = Registry("loans")
        [one] = registry.versions().values()
        # When the files of the version are asked for, then they are found in the new place
        found = registry.download(one.run_id, BUNDLE, tmp_path / "one")
        assert (found / "model.skops").read_bytes() == b"a model"
        with pytest.raises(Problem, match="the registry has no signature"):
            registry.download(one.run_id, "signature", tmp_path / "two")
        # And those of a new version go there, too
        _, second = registry.create({"commit": "b" * 40})
        registry.upload(second, tmp_path / "one" / BUNDLE, BUNDLE)
        assert (here / "mlruns" / second / "artifacts" / BUNDLE / "model.skops").is_file()
        # And where they did not come along, the line says where they were and what to bring
        (here / "mlruns").rename(tmp_path / "elsewhere")
        with pytest.raises(Problem) as refused:
            registry.download(one.run_id, BUNDLE, tmp_path / "three")
    finally:
        before.rename(made)
    said = str(refused.value)
    assert str(made / "mlruns" / one.run_id) in said
    assert "if you moved the project, also move its folder mlruns" in said
    assert refused.value.exit_code == 2


def test_artifacts_on_a_server_have_no_local_folder(here: Path) -> None:
    # Given artifacts that a server keeps, when it is asked where they lie, then not in a folder
    for uri in ("s3://bucket/1/abc/artifacts", "mlflow-artifacts:/1/abc/artifacts"):
        assert mlflow_store.moved(uri, "abc") is None
    # And a folder is one, whatever signs its name has
    folder = here / "a b%20é" / "mlruns" / "abc" / "artifacts"
    folder.mkdir(parents=True)
    assert mlflow_store.moved(folder.as_uri(), "abc") is None
    assert mlflow_store.moved(f"file://{quote(folder.as_posix())}", "abc") is None

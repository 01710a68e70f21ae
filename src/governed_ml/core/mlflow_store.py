"""The repository's MLflow store, which holds runs and model versions."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from governed_ml.core.problem import Problem, first_line

PATIENCE = {  # MLflow's defaults wait four minutes for a silent server; set variables are kept
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
DATABASE_RETRIES = 3  # MLflow retries for two minutes, and has no setting
LIBRARIES = ("mlflow", "sqlalchemy", "alembic", "sqlite3")
UNREACHABLE = ("Connection refused", "timed out", "Name or service not known")
SIGNS = (
    (
        "database is locked",
        "is in use by another process",
        "wait until that run or `mlflow ui` ends, or stop it, then try again",
    ),
    ("readonly database", "is read-only", "make the file and its folder writable"),
    ("unable to open database", "cannot be opened", "check that its folder exists and is writable"),
    ("disk is full", "has no room", "free space on its disk, then try again"),
    ("file is not a database", "is damaged", "put a whole copy of the file back"),
    ("no such table", "is not an MLflow store", "put a whole copy of the file back"),
    ("disk image is malformed", "is damaged", "put a whole copy of the file back"),
)
"""Part of a database's error message, what it means, and what to do."""


def home() -> Path:
    """Return the repository's folder, even from the copy in which DVC runs an experiment."""
    here = Path.cwd()
    for folder in here.parents:
        if folder.name == "exps" and folder.parts[-3:-1] == (".dvc", "tmp"):
            return folder.parents[2]
    return here


def sqlite_url(path: Path) -> str:
    """Return the SQLAlchemy URL of an SQLite file, with `?` and `%` in its path escaped."""
    plain = path.as_posix()
    if not {"%", "?"} & {*plain}:
        return f"sqlite:///{plain}"
    # MLflow creates the folder of an SQLite URL only if the URL begins with `sqlite:///`.
    return f"sqlite+pysqlite:///{plain.replace('%', '%25').replace('?', '%3F')}"


def connect(experiment: str) -> str:
    """Choose the tracking store, create the experiment if it is missing, and return its id.

    `MLFLOW_TRACKING_URI` names a server. Without it, the store is an SQLite file in the repository.
    """
    import logging

    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    import mlflow

    for noisy in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    store = home()
    given = os.environ.get("MLFLOW_TRACKING_URI")
    uri = given or sqlite_url(store / "mlflow.db")
    if "://" in uri and not uri.startswith("http"):
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = DATABASE_RETRIES
    with answering():
        mlflow.set_tracking_uri(uri)
        if not given:
            _make(store / "mlflow.db")
        place = (store / "mlruns").as_uri() if uri.startswith("sqlite") else None
        found = mlflow.get_experiment_by_name(experiment)
        if found is not None and not given and found.artifact_location != place:
            # The project was moved: this experiment would still write to the old folder.
            experiment = f"{experiment} in {store.as_posix()}"
            found = mlflow.get_experiment_by_name(experiment)
        if found is not None:
            return str(found.experiment_id)
        return mlflow.create_experiment(experiment, artifact_location=place)


def _make(path: Path) -> None:
    """Create the database under another name, then move it, so that it is never seen incomplete."""
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    try:
        scratch = tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}-")
    except OSError:
        return  # the folder is read-only: opening the store reports it
    with scratch as folder:
        made = Path(folder, path.name)
        SqlAlchemyStore(sqlite_url(made), (path.parent / "mlruns").as_uri()).engine.dispose()
        try:
            os.link(made, path)
        except OSError:  # another process was first, or hard links are unsupported
            if not path.exists():
                made.rename(path)


@contextmanager
def answering() -> Generator[None]:
    """Turn any exception of MLflow's client into a `Problem` of one line that names the store."""
    try:
        yield
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if library not in LIBRARIES and not isinstance(error, OSError | ImportError):
            raise
        import mlflow

        raise Problem(told(mlflow.get_tracking_uri(), error)) from error


def told(uri: str, error: BaseException) -> str:
    """Describe a store's error in one line, without user and password, and say what to do."""
    store, text = _bare(uri), str(error)
    other = re.search(r"found version (\w+)|Can't locate revision identified by '(\w+)'", text)
    if other and (said := of_another_version(other[1] or other[2], uri)):
        return said
    for sign, meaning, todo in SIGNS:
        if sign in text:
            return f"MLflow at {store} {meaning} ({sign}): {todo}"
    reason = next((sign for sign in UNREACHABLE if sign in text), first_line(error, 160))
    todo = "check that it is running and that MLFLOW_TRACKING_URI is right"
    return f"MLflow at {store} does not answer: {reason}; {todo}"


def _bare(uri: str) -> str:
    return re.sub(r"//[^/@ ]*@", "//", uri)


def of_another_version(revision: str, uri: str) -> str | None:
    """Explain what to do if another MLflow version wrote the database; None if this one did.

    `revision` is the Alembic revision of the database's tables.
    """
    from importlib.metadata import version
    from importlib.util import find_spec

    found = find_spec("mlflow")
    package = Path(found.origin).parent if found and found.origin else Path()
    steps = {path.name: path for path in package.glob("store/db_migrations/versions/*.py")}
    here = f"MLflow {version('mlflow')}"
    if not any(name.startswith(revision) for name in steps):
        return (
            f"MLflow at {_bare(uri)} was written by a newer MLflow than {here}: restore the "
            "uv.lock of that time and run `uv sync`, or set MLFLOW_TRACKING_URI to another "
            "store"
        )
    after = f'down_revision = "{revision}"'
    if not any(after in path.read_text(encoding="utf-8") for path in steps.values()):
        return None
    return (
        f"MLflow at {_bare(uri)} was written by an older MLflow than {here}: keep a copy of it, "
        f"then run `uv run mlflow db upgrade {_bare(uri)}`"
    )


def moved(artifacts: str, run_id: str) -> Path | None:
    """Return the folder of a run's files if the project was moved since the run, else None.

    The database keeps absolute paths. After a project was moved or renamed, its files are under
    `mlruns/` and not where the database says. Return None if the files are on a server or still in
    the recorded place. Raise `Problem` if they are in neither place.
    """
    from mlflow.utils.file_utils import local_file_uri_to_path

    scheme = urlsplit(artifacts).scheme
    if len(scheme) > 1 and scheme != "file":  # one letter is a Windows drive
        return None
    before = Path(local_file_uri_to_path(artifacts))
    now = home() / "mlruns" / run_id / "artifacts"
    if before.is_dir():
        return None
    if now.is_dir():
        return now
    raise Problem(
        f"the files of run {run_id} are neither in {before}, where they were written, nor in "
        f"{now}: if you moved the project, also move its folder mlruns; in a clone, set "
        "MLFLOW_TRACKING_URI to the store that has them"
    )

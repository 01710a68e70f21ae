"""The one MLflow store of the repository: runs go there, and model versions."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from governed_ml.core.problem import Problem, first_line

PATIENCE = {  # by default MLflow asks a silent server for four minutes; what is set stays
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
DATABASE_RETRIES = 3  # and a silent database for two, for which it has no setting


def home() -> Path:
    """Return the repository's folder, also from the copy in which DVC runs an experiment."""
    here = Path.cwd()
    for folder in here.parents:
        if folder.name == "exps" and folder.parts[-3:-1] == (".dvc", "tmp"):
            return folder.parents[2]
    return here


def sqlite_url(path: Path) -> str:
    """Return the address of a database file: in one, `?` ends a path, and `%` begins a code."""
    plain = path.as_posix()
    if not {"%", "?"} & {*plain}:
        return f"sqlite:///{plain}"
    # MLflow makes the folder of `sqlite:///…` as it is spelled there, and of no other spelling.
    return f"sqlite+pysqlite:///{plain.replace('%', '%25').replace('?', '%3F')}"


def connect(experiment: str) -> str:
    """Choose the tracking store and make the experiment; return its id.

    `MLFLOW_TRACKING_URI` names a server; without it, an SQLite file beside the repository.
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
        place = (store / "mlruns").as_uri() if uri.startswith("sqlite") else None
        found = mlflow.get_experiment_by_name(experiment)
        if found is not None and not given and found.artifact_location != place:
            # The folder was moved: artifacts of that experiment would go to where it was.
            experiment = f"{experiment} in {store.as_posix()}"
            found = mlflow.get_experiment_by_name(experiment)
        if found is not None:
            return str(found.experiment_id)
        return mlflow.create_experiment(experiment, artifact_location=place)


@contextmanager
def answering() -> Generator[None]:
    """Turn whatever MLflow's client raises into one line that names the store."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        import mlflow

        said = f"MLflow at {mlflow.get_tracking_uri()} does not answer: {_reason(error)}"
        raise Problem(
            f"{re.sub(r'//[^/@ ]*@', '//', said)}; is it running? Check MLFLOW_TRACKING_URI"
        ) from error  # without user and password


def _reason(error: BaseException) -> str:
    """Return what went wrong at the bottom: refused, unknown host, timed out."""
    signs = ("Connection refused", "timed out", "Name or service not known", "unable to open")
    return next((sign for sign in signs if sign in str(error)), first_line(error, 160))

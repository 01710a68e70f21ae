"""A model in MLflow's format, without running the code that it may carry."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from governed_ml.core import model_file

REQUIREMENTS = ["scikit-learn", "skops", "pandas"]


def prepare() -> None:
    """Save an empty model, while the fit runs in another process.

    MLflow lists all installed packages when a process saves its first model, which takes a second.
    """
    from mlflow.sklearn import save_model
    from sklearn.dummy import DummyRegressor

    with tempfile.TemporaryDirectory() as scratch:
        model, place = DummyRegressor().fit([[0]], [0]), str(Path(scratch, "model"))
        save_model(model, place, serialization_format="skops", pip_requirements=REQUIREMENTS)


def write(source: Path, folder: Path, signature: Any = None) -> None:
    """Lay the model file `source` into a new folder, in MLflow's format.

    MLflow wants an estimator to write that format. It gets one of scikit-learn's, whose file is
    then replaced: nothing else in the folder depends on it. A model that carries code takes it
    along (`code/`), so that MLflow loads it without the project.
    """
    from mlflow.models import Model
    from mlflow.sklearn import save_model
    from sklearn.dummy import DummyRegressor

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    package = model_file.code(source)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in package.files.items():
            path = Path(scratch, package.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        save_model(
            DummyRegressor().fit([[0]], [0]),
            str(folder),
            signature=signature,
            serialization_format="skops",
            skops_trusted_types=model_file.types(source),
            pip_requirements=REQUIREMENTS,
            code_paths=[str(Path(scratch, package.name))] if package.files else None,
        )
    shutil.copyfile(source, folder / "model.skops")
    described = Model.load(str(folder))
    described.model_size_bytes = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )
    described.save(str(folder / "MLmodel"))

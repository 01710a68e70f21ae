"""Write a model in MLflow's format, without running code that the model may carry."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from governed_ml.core import model_file
from governed_ml.core.installation import extras

REQUIREMENTS = ["scikit-learn", "skops", "pandas"]


def requirements(types: list[str]) -> list[str]:
    """Return the distributions that load a model with these types."""
    return [*REQUIREMENTS, *(extras.distribution(one) for one in extras.named(types))]


def prepare() -> None:
    """Save an empty model while the fit runs in another process, to save time.

    When a process saves its first model, MLflow lists all installed packages, which takes a second.
    """
    from mlflow.sklearn import save_model
    from sklearn.dummy import DummyRegressor

    with tempfile.TemporaryDirectory() as scratch:
        model, place = DummyRegressor().fit([[0]], [0]), str(Path(scratch, "model"))
        save_model(model, place, serialization_format="skops", pip_requirements=REQUIREMENTS)


def write(source: Path, folder: Path, signature: Any = None) -> None:
    """Write the model file `source` to a new folder in MLflow's format.

    MLflow needs an estimator to write the format. It gets a plain one of scikit-learn, whose file
    is then replaced; no other file depends on it. If the model carries code, the code is copied to
    `code/`, so that MLflow can load it without the project.
    """
    from mlflow.models import Model
    from mlflow.sklearn import save_model
    from sklearn.dummy import DummyRegressor

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    package, types = model_file.code(source), model_file.types(source)
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
            skops_trusted_types=types,
            pip_requirements=requirements(types),
            code_paths=[str(Path(scratch, package.name))] if package.files else None,
        )
    shutil.copyfile(source, folder / "model.skops")
    described = Model.load(str(folder))
    described.model_size_bytes = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )
    described.save(str(folder / "MLmodel"))

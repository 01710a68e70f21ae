"""What is the team's in a model goes with it: it answers by its own code, wherever it is loaded."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import team_projects
from team_projects import OWN, in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.code import sandbox
from governed_ml.core.problem import Problem
from governed_ml.pipeline import mlflow_model, models
from governed_ml.pipeline.evaluation import latency

pytestmark = pytest.mark.slow


def test_a_model_of_library_classes_is_loaded_here(here: Path) -> None:
    # Given the template's modules, when a model is trained
    team_projects.make(here)
    found = team_projects.train()
    # Then it carries no code, and is loaded into this process
    with models.opened() as model:
        assert type(model).__name__ == "Pipeline"
        assert len(model.predict(team_projects.asked_about())) == 600
    assert model_file.code(model_file.PATH).files == {}
    # And what kept the training apart is named
    assert found.isolation == (
        f"landlock {sandbox.version()}, seccomp"
        if sandbox.version()
        else f"by location only: {sys.platform} has no Landlock"
    )


def test_own_classes_go_with_the_model_and_not_with_the_working_tree(here: Path) -> None:
    # Given a transformer, columns and a wrapper of the team's, when a model is trained
    team_projects.make(here, **OWN)
    team_projects.train()
    rows = team_projects.asked_about()
    with models.opened() as model:
        scores, labels = model.predict_proba(rows)[:, 1], model.predict(rows)
        assert model.kind == "Cautious"
        # (with one thread as well, as its latency is measured)
        timings, _ = latency.latency(model, rows, "classification")
        assert (timings["latency_p95_ms"].n or 0) >= latency.LEAST
        assert (model.predict_proba(rows)[:, 1] == scores).all()
    # Then it answers by its own code: a label where the probability is beyond 0.6
    assert ((scores > 0.6) == (labels == 1)).all()
    digest = model_file.digest()
    # And when the working tree's code is gone
    shutil.rmtree("src")
    # Then the model answers as before
    with models.opened() as model:
        assert (model.predict_proba(rows)[:, 1] == scores).all()
    # And another code in the file is another model
    package = model_file.code(model_file.PATH)
    assert package.name == "credit"
    changed = package.files | {"training.py": package.files["training.py"] + b"\n# changed\n"}
    import skops.io

    plain = Path("models/model.skops").read_bytes()
    assert "credit.training.Cautious" in skops.io.get_untrusted_types(data=plain)
    stripped = _without_code(plain)
    model_file.save(stripped, package)
    assert model_file.digest() == digest
    model_file.save(stripped, package._replace(files=changed))
    assert model_file.digest() != digest


def _without_code(content: bytes) -> bytes:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if not name.startswith(model_file.CODE):
                new.writestr(name, old.read(name))
    return out.getvalue()


def test_two_trainings_give_one_digest(here: Path) -> None:
    # Given a search, which keeps how long its fits took, and own classes
    team_projects.make(
        here,
        features=OWN["features"],
        training=(
            "from sklearn.model_selection import GridSearchCV\n"
            "def fit(pipeline, features, target):\n"
            "    search = GridSearchCV(pipeline, {'estimator__C': [0.1, 1.0]}, cv=3)\n"
            "    return search.fit(features, target)\n"
        ),
    )
    # When it is trained twice
    team_projects.train()
    first = model_file.digest()
    team_projects.train()
    # Then the best model alone is kept, and both are the same
    assert model_file.digest() == first
    with models.opened() as model:
        assert model.kind == "Pipeline"


def test_a_function_of_a_library_is_code_too(here: Path) -> None:
    # Given a transformer that calls a function of NumPy, when a model is trained
    team_projects.make(
        here,
        features=(
            "import numpy as np\n"
            "from sklearn.compose import ColumnTransformer\n"
            "from sklearn.pipeline import make_pipeline\n"
            "from sklearn.impute import SimpleImputer\n"
            "from sklearn.preprocessing import FunctionTransformer\n"
            "def preprocessing(numeric, categorical):\n"
            "    steps = make_pipeline(SimpleImputer(), FunctionTransformer(np.arcsinh))\n"
            "    return ColumnTransformer([('numbers', steps, numeric)])\n"
        ),
    )
    team_projects.train()
    # Then it is not loaded here, carries no code of the team's, and answers from its own process
    content = model_file.PATH.read_bytes()
    assert not model_file.is_plain(content)
    with pytest.raises(Problem, match="classes that are not on the engine's list"):
        model_file.load(content)
    with models.opened() as model:
        assert len(model.predict(team_projects.asked_about())) == 600
        assert models.notes(model)["isolation"]


def test_columns_are_numeric_or_categorical_by_what_they_hold(here: Path) -> None:
    # Given columns that add a number and a text, and make a number of a text
    team_projects.make(
        here,
        features=(
            "from sklearn.compose import ColumnTransformer\n"
            "def columns(table):\n"
            "    return table.assign(burden=table['debt'] * 2, both=table['kind'] + '!',\n"
            "                        kind=(table['kind'] == 'a').astype(int))\n"
            "def preprocessing(numeric, categorical):\n"
            "    assert numeric == ['income', 'debt', 'kind', 'burden'], numeric\n"
            "    assert categorical == ['both'], categorical\n"
            "    return ColumnTransformer([('n', 'passthrough', ['debt', 'kind', 'burden'])])\n"
        ),
    )
    # When a model is trained, then `preprocessing` is told so, and the model takes the features
    team_projects.train()
    with models.opened() as model:
        assert model.feature_names_in_ == ["income", "debt", "kind"]
        assert len(model.predict(team_projects.asked_about())) == 600


def test_several_jobs_of_a_search_train_in_the_sandbox(here: Path) -> None:
    # Given a `fit` that searches with two jobs, when it trains, then it finds its model
    team_projects.make(
        here,
        training="def fit(pipeline, features, target):\n"
        "    from sklearn.model_selection import GridSearchCV\n"
        "    grid = {'estimator__C': [0.1, 1.0]}\n"
        "    return GridSearchCV(pipeline, grid, n_jobs=2, cv=2).fit(features, target)\n",
    )
    team_projects.train()
    assert Path("models/model.skops").is_file()


@pytest.mark.slow
def test_mlflow_loads_a_model_with_own_classes_without_the_project(here: Path) -> None:
    # Given a model with own classes, in MLflow's format
    team_projects.make(here, **OWN)
    team_projects.train()
    rows = team_projects.asked_about()
    with models.opened() as model:
        expected = model.predict(rows)
    rows.to_parquet("rows.parquet")
    mlflow_model.write(model_file.PATH, here / "bundle")
    shutil.rmtree("src")
    # When another process loads it through MLflow
    code = (
        "import mlflow, pandas as pd\n"
        "model = mlflow.sklearn.load_model('bundle')\n"
        "print(*model.predict(pd.read_parquet('rows.parquet')), sep='')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    # Then it answers as measured
    assert done.stdout.strip() == "".join(map(str, expected)), done.stderr

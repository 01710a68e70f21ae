"""What the team's modules return: checked, run apart, and part of the model where it is theirs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import team_projects

from governed_ml.core import config, model_file
from governed_ml.core.code import sandbox
from governed_ml.core.problem import Problem
from governed_ml.measures import explanations
from governed_ml.pipeline import mlflow_model, models
from governed_ml.pipeline.data import sources
from governed_ml.pipeline.isolated import contract
from governed_ml.pipeline.training import require_answers

pytestmark = pytest.mark.slow

OWN = {"features": team_projects.OWN_FEATURES, "training": team_projects.OWN_TRAINING}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a project is to be made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(**modules: str) -> str:
    """Train with these modules; return the one line that refuses it."""
    team_projects.make(Path(), **modules)
    with pytest.raises(Problem) as caught:
        team_projects.train()
    assert "\n" not in str(caught.value)
    assert not Path("models/model.skops").exists()
    return str(caught.value)


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
    with pytest.raises(Problem, match="carries code"):
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


def _table_of(body: str) -> str:
    return f"def columns(table):\n    {body}\n" + ENCODING


def _fit(body: str) -> str:
    return f"def fit(pipeline, features, target):\n    {body}\n"


ENCODING = """
def preprocessing(numeric, categorical):
    from sklearn.compose import ColumnTransformer
    return ColumnTransformer([("numbers", "passthrough", numeric)])
"""


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (_table_of("return None"), "src/credit/features.py: columns returned nothing"),
        (_table_of("return table.head(9)"), "columns returned 9 rows for 600"),
        (_table_of("return table.iloc[::-1]"), "columns returned 600 rows for 600"),
        (
            _table_of("return table.assign(up=table['debt'] - table['debt'].mean())"),
            "column 'up' of a row depends on the other rows",
        ),
        (_table_of("return table.assign(__target=1)"), "column '__target' has a name of the"),
        (_table_of("return table[['debt']]"), "columns returned no 'income'"),
        (_table_of("return table.assign(x=table['debt'] > 0)"), "column 'x' is of type bool"),
        (_table_of("return table.assign(x=1 / (table['debt'] * 0))"), "holds infinite values"),
        ("", "src/credit/features.py has no function preprocessing"),
        (
            "def preprocessing(numeric, categorical):\n    return [numeric]\n",
            "src/credit/features.py: preprocessing returned a list",
        ),
    ],
)
def test_features_that_break_the_contract_are_refused(
    features: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given what `features.py` defines
    given: dict[str, Any] = {}
    exec(features, given)  # noqa: S102 - the team's code
    monkeypatch.setattr(contract, "offered", lambda package, module, name: given.get(name))
    rows = team_projects.rows(600, 1)[["income", "debt", "kind"]]
    # When the pipeline is made, then one line names the file and what is wrong
    with pytest.raises(Problem) as caught:
        contract.encoding("credit", rows, ["income", "debt"], ["kind"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ("", "src/credit/training.py has no function fit"),
        (_fit("return None"), "src/credit/training.py: fit returned nothing"),
        (_fit("return pipeline"), "training.py: fit returned an estimator that is not fitted"),
        (
            _fit("return pipeline.fit(features, target.map({0: 'no', 1: 'yes'}))"),
            "src/credit/training.py: the model has no classes_ [0, 1]",
        ),
        (_fit("return pipeline.fit(features, target.head(3))"), "conf/model: m cannot be fitted"),
    ],
)
def test_training_that_breaks_the_contract_is_refused(
    training: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given what `training.py` defines
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    given: dict[str, Any] = {}
    exec(training, given)  # noqa: S102 - the team's code
    monkeypatch.setattr(contract, "offered", lambda package, module, name: given.get(name))
    frame = team_projects.rows(600, 1).fillna(0.0)
    # When it is called, then one line names the file and what is wrong
    with pytest.raises(Problem) as caught:
        contract.trained(
            "credit", "m", make_pipeline(LogisticRegression()), frame[["income", "debt"]],
            frame["__target"], "classification",
        )  # fmt: skip
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        (
            {"features": "import no_such_library\n"},
            "'no_such_library' in src/credit/features.py, line 1",
        ),
        (
            {"training": "def fit(:\n"},
            "src/credit/training.py, line 1: invalid syntax",
        ),
        (
            {"training": _fit("return features['incom']")},
            "KeyError: 'incom' in src/credit/training.py, line 2",
        ),
    ],
)
def test_what_the_teams_code_raises_is_one_line_with_its_place(
    modules: dict[str, str], said: str, here: Path
) -> None:
    # Given modules with a mistake, when a model is trained, then one line says where it is
    assert said in refused(**modules)


MITIGATED = {
    "_target_": "fairlearn.reductions.GridSearch",
    "constraints": {"_target_": "fairlearn.reductions.DemographicParity"},
    "estimator": {"_target_": "sklearn.linear_model.LogisticRegression"},
    "grid_size": 3,
}


@pytest.mark.nightly
def test_a_mitigation_is_the_engines_over_features_of_the_teams(here: Path) -> None:
    # Given a mitigation of the engine's over features of the team's
    team_projects.make(here, features=OWN["features"])
    # When it is trained
    found = team_projects.train(MITIGATED)
    # Then the search is the engine's, and the model has the team's columns and transformer
    assert found.mitigation.tried == 3
    assert set(found.metrics) == {"unmitigated_accuracy", "unmitigated_roc_auc"}
    assert set(model_file.code(model_file.PATH).files) >= {"features.py"}
    with models.opened() as model:
        assert len(model.predict_proba(team_projects.asked_about())) == 600


FORGED = """
import skops.io
dumps = skops.io.dumps

def forged(model):
    if hasattr(model.steps[-1][1], "coef_"):
        model.steps[-1][1].coef_ *= 2
    return dumps(model)

skops.io.dumps = forged
"""


@pytest.mark.nightly
def test_trap_42_the_mitigated_estimator_is_not_replaced_by_the_teams_code(here: Path) -> None:
    # Given features of the team's whose module changes the estimator that is put into the model
    team_projects.make(here, features=team_projects.OWN_FEATURES + FORGED)
    # When a mitigation is trained, then the model is refused
    with pytest.raises(Problem, match="does not answer as the mitigated estimator that was chosen"):
        team_projects.train(MITIGATED)
    assert not Path("models/model.skops").exists()


def test_a_model_that_does_not_answer_as_the_chosen_estimator_is_refused() -> None:
    # Given an estimator that was chosen, and models of it that were put together elsewhere
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = team_projects.rows(200, 1)[["debt"]]
    scaler = StandardScaler().fit(rows)
    matrix = scaler.transform(rows)
    chosen = LogisticRegression().fit(matrix, rows["debt"] > 0)
    same, other = skops.io.dumps(make_pipeline(scaler, chosen)), LogisticRegression(C=1e-3)
    other.fit(matrix, rows["debt"] > 0)
    # When they are compared, then the same one is taken, and one with other answers is not
    require_answers(same, rows, chosen, matrix, "src/credit/features.py")
    with pytest.raises(Problem, match="does not answer as the mitigated estimator"):
        require_answers(
            skops.io.dumps(make_pipeline(scaler, other)), rows, chosen, matrix, "features.py"
        )


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


@pytest.mark.nightly
def test_own_classes_are_explained_and_the_explanation_adds_up(here: Path) -> None:
    # Given a model that no form of SHAP's knows
    team_projects.make(here, **OWN)
    team_projects.train()
    rows = team_projects.asked_about()
    rows.loc[::7, "kind"] = np.nan
    # When it is explained
    with models.opened() as model:
        found = explanations.explain(model, rows, ["kind"], "classification", 7)
    # Then contributions add up for every row, and nobody's favourite is the unused one
    assert (found.method, found.output, found.rows) == ("shap_permutation", "predict_proba", 100)
    assert (found.coverage.value, found.coverage.n) == (1.0, 100)
    assert found.importance["kind"] < min(found.importance["income"], found.importance["debt"])


def test_contributions_of_a_sum_are_its_parts() -> None:
    # Given a model that is a weighted sum of numbers and a text, behind nothing but `predict`
    rows = team_projects.rows(400, 3)[["income", "debt", "kind"]].fillna({"income": 0.0})

    class Sum:
        def predict(self, table: pd.DataFrame) -> Any:
            return 3 * table["income"] - table["debt"] + 5.0 * (table["kind"] == "a")

    # When it is explained by its answers alone
    found = explanations.explain(Sum(), rows, ["kind"], "regression", 7)
    # Then each feature has what it adds, as Shapley's values of a sum are
    background, some = rows.iloc[-explanations.BACKGROUND :], rows.iloc[: explanations.EXPLAINED]
    for name, part in (
        ("income", 3 * (some["income"] - background["income"].mean())),
        ("debt", some["debt"] - background["debt"].mean()),
        ("kind", 5.0 * ((some["kind"] == "a") - (background["kind"] == "a").mean())),
    ):
        assert found.importance[name] == pytest.approx(abs(part).mean())
    assert found.coverage.value == 1.0


def test_a_model_whose_answers_vary_is_not_explained() -> None:
    # Given a model that draws its answers
    rng = np.random.default_rng(1)
    rows = team_projects.rows(400, 3)[["income", "debt"]].fillna(0.0)

    class Dice:
        def predict(self, table: pd.DataFrame) -> Any:
            return rng.normal(size=len(table))

    # When it is explained, then no row adds up
    found = explanations.explain(Dice(), rows, [], "regression", 7)
    assert found.coverage.value == 0.0


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


def _table(body: str, **options: Any) -> pd.DataFrame:
    team_projects.make(Path(), sources=f"import pandas as pd\n\ndef own(**options):\n{body}\n")
    source = config.Source(kind="team", function="own", options=options)
    scratch = Path("scratch")
    scratch.mkdir()
    with sources.engine() as db:
        found = sources.SOURCES["team"](source, 7, db, scratch)
        assert found.uri == "team:own"
        return db.execute(f"SELECT * FROM {found.relation}").df()


@pytest.mark.parametrize(
    "body",
    [
        "    return pd.read_csv(options['path'])",
        "    import pyarrow as pa\n    return pa.Table.from_pandas(pd.read_csv(options['path']))",
    ],
)
def test_a_source_of_the_teams_gives_a_table(body: str, here: Path) -> None:
    # Given a file of the project, and a function that reads it
    Path("rows.csv").write_text("a,b\n1,x\n2,\n", encoding="utf-8")
    # When the source is asked with its options, then its table is there
    found = _table(body, path="rows.csv")
    assert found["a"].tolist() == [1, 2]
    assert found["b"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    return {'a': [1]}", "src/credit/sources.py: own returned a dict"),
        ("    return pd.read_csv('none.csv')", "in src/credit/sources.py, line 4"),
        ("    return pd.DataFrame({'a': [1, 'x']})", "own returned a table with mixed types"),
    ],
)
def test_a_source_that_gives_no_table(body: str, said: str, here: Path) -> None:
    # Given a function that returns something else, when it is asked, then one line says so
    with pytest.raises(Problem) as caught:
        _table(body)
    assert said in str(caught.value)


def test_a_source_is_configured_whole(here: Path) -> None:
    # Given a source of the team's without its function, or options for another kind
    # When it is read, then it is refused
    with pytest.raises(ValueError, match=r"source\.kind team needs function"):
        config.Source(kind="team")
    with pytest.raises(ValueError, match=r"source\.kind file takes no function or options"):
        config.Source(kind="file", path="x.csv", options={"a": 1})

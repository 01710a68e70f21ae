"""What the team's modules return is checked, and one line names the file and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import team_projects
from team_projects import in_own_folder  # noqa: F401 - a fixture

from governed_ml.core import config
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data import sources
from governed_ml.pipeline.isolated import contract

pytestmark = pytest.mark.slow


def refused(**modules: str) -> str:
    """Train with these modules; return the one line that refuses it."""
    team_projects.make(Path(), **modules)
    with pytest.raises(Problem) as caught:
        team_projects.train()
    assert "\n" not in str(caught.value)
    assert not Path("models/model.skops").exists()
    return str(caught.value)


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
        (_table_of("return table.assign(__target=1)"), "column '__target' has a name that the"),
        (_table_of("return table[['debt']]"), "columns did not return 'income'"),
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
            frame["__target"], 2,
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
def test_an_error_in_the_teams_code_is_one_line_with_its_place(
    modules: dict[str, str], said: str, here: Path
) -> None:
    # Given modules with a mistake, when a model is trained, then one line says where it is
    assert said in refused(**modules)


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


def test_an_incomplete_source_is_refused(here: Path) -> None:
    # Given a source of the team's without its function, or options for another kind
    # When it is read, then it is refused
    with pytest.raises(ValueError, match=r"source\.kind team needs function"):
        config.Source(kind="team")
    with pytest.raises(ValueError, match=r"source\.kind file takes no function or options"):
        config.Source(kind="file", path="x.csv", options={"a": 1})

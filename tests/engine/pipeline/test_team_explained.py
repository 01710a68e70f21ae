"""A model with the team's classes is mitigated and explained as any other, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import team_projects
from team_projects import OWN, in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.problem import Problem
from governed_ml.measures.explanations import by_asking
from governed_ml.measures.explanations.importance import explain
from governed_ml.pipeline import models
from governed_ml.pipeline.training import require_answers

pytestmark = pytest.mark.slow


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
    with pytest.raises(
        Problem, match="answers differently from the mitigated estimator of conf/model"
    ):
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
    with pytest.raises(Problem, match="answers differently from the mitigated estimator"):
        require_answers(
            skops.io.dumps(make_pipeline(scaler, other)), rows, chosen, matrix, "features.py"
        )


@pytest.mark.nightly
def test_own_classes_are_explained_and_the_explanation_adds_up(here: Path) -> None:
    # Given a model that no form of SHAP's knows
    team_projects.make(here, **OWN)
    team_projects.train()
    rows = team_projects.asked_about()
    rows.loc[::7, "kind"] = np.nan
    # When it is explained
    with models.opened() as model:
        found = explain(model, rows, ["kind"], "classification", 7)
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
    found = explain(Sum(), rows, ["kind"], "regression", 7)
    # Then each feature has what it adds, as Shapley's values of a sum are
    background, some = rows.iloc[-by_asking.BACKGROUND :], rows.iloc[: by_asking.EXPLAINED]
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
    found = explain(Dice(), rows, [], "regression", 7)
    assert found.coverage.value == 0.0

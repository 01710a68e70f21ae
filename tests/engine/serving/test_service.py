"""The running service: what it answers, and what is in the log by then."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from baked import BakedProject
from http_service import (
    LOOPBACK,
    Ledger,
    ask,
    model_of,
    post,
    rows_of,
    running,
    service_of,
    version_of,
    wait_for,
)

from governed_ml.core import model_file
from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.core.problem import Problem
from governed_ml.ledger.production.canary import Canary
from governed_ml.measures.explanations import served
from governed_ml.measures.explanations.served import Contributions
from governed_ml.pipeline.isolated.process import ProcessEnded
from governed_ml.pipeline.prediction_log.record_lines import Unwritable
from governed_ml.serving.app.service import Service
from governed_ml.serving.model.keeper import Lineup
from governed_ml.serving.model.served_model import ServedModel

pytestmark = pytest.mark.slow


@dataclass
class World:
    """A running service, its ledger, and the project whose model it serves."""

    project: BakedProject
    ledger: Ledger
    service: Service
    port: int
    folder: Path

    def rows(self, count: int = 3) -> list[dict[str, Any]]:
        return rows_of(self.project, count)

    def logged(self, store: str = "prediction_log") -> list[dict[str, Any]]:
        """Read the lines of the open segments of a log."""
        lines = [
            line
            for path in sorted((self.folder / "data" / store).glob("*/*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        return [json.loads(line) for line in lines]


@pytest.fixture(name="world")
def served_project(project_after_run: BakedProject, tmp_path: Path) -> Generator[World]:
    """The default project's model, served."""
    ledger = Ledger({1: model_of(project_after_run)})
    ledger.life.versions[1] = version_of()
    service = service_of(tmp_path, ledger)
    with running(service) as port:
        yield World(project_after_run, ledger, service, port, tmp_path)


def test_answers_are_those_of_the_model(world: World) -> None:
    # Given rows of the table, when the service is asked for one and for many
    rows = world.rows(40)
    found = post(world.port, "/predict", rows).json
    single = post(world.port, "/predict", rows[7]).json
    # Then the scores are the model's own, to the last bit, whatever the number of rows
    model = model_file.load((world.project.path / "models" / "model.skops").read_bytes())
    frame = pd.read_parquet(world.project.path / "data" / "raw.parquet").head(40)
    names = list(model.feature_names_in_)
    scores = model.predict_proba(frame[names])[:, 1].tolist()
    assert [one["score"] for one in found["predictions"]] == scores
    assert [one["prediction"] for one in found["predictions"]] == model.predict(
        frame[names]
    ).tolist()
    assert single["predictions"][0]["score"] == scores[7]
    # And the answer names request, version and digest
    assert (found["version"], found["model_digest"], found["model"]) == (
        1,
        "sha256:1",
        "governed-model",
    )
    assert [one["row"] for one in found["predictions"]] == [*range(40)]


def test_an_answer_is_in_the_log_with_its_attributes_apart(world: World) -> None:
    # Given rows with sensitive attributes, when they are answered
    rows = world.rows(2)
    answer = post(world.port, "/predict", rows)
    found = answer.json
    # Then the log has them, with the answer, the model's digest and the arm
    first, second = world.logged()
    assert (first["request_id"], first["row"], second["row"]) == (found["request_id"], 0, 1)
    assert first["score"] == found["predictions"][0]["score"]
    assert (first["model_digest"], first["arm"], first["error"]) == ("sha256:1", "champion", None)
    assert first["income"] == rows[0]["income"]
    assert answer.headers["x-request-id"] == found["request_id"]
    # And the sensitive attributes are in a store of their own
    assert not {"sex", "age_group"} & first.keys()
    apart = world.logged("sensitive_log")[0]
    assert apart == {"request_id": found["request_id"], "row": 0, "sex": rows[0]["sex"]} | {
        "age_group": rows[0]["age_group"]
    }


@pytest.mark.parametrize("store", ["predictions", "sensitive"])
def test_without_the_log_there_is_no_answer(
    world: World, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a log that cannot be written
    def full(_: Any) -> None:
        raise Unwritable("cannot write the log: no space left on device")

    monkeypatch.setattr(getattr(world.service.stores, store), "append", full)
    # When the service is asked, then it refuses, says when to come back, and names no path
    found = post(world.port, "/predict", world.rows(1))
    assert (found.status, found.json["type"]) == (503, "urn:governed-ml:problem:log-unwritable")
    assert "retry-after" in found.headers
    assert b"score" not in found.content
    # And the metric counts it
    text = ask(world.port, "GET", "/metrics").content.decode()
    assert f'governed_ml_log_unwritable_total{{store="{store}"}} 1.0' in text


def test_a_version_that_was_rolled_back_is_no_longer_served(world: World) -> None:
    # Given a service that answers, when its version is rolled back and there is no other
    assert post(world.port, "/predict", world.rows(1)).status == 200
    world.ledger.life.versions[1].state = "quarantined"
    # Then within the configured time it answers nothing, and is not ready
    wait_for(lambda: ask(world.port, "GET", "/health/ready").status == 503)
    found = post(world.port, "/predict", world.rows(1))
    assert (found.status, found.json["type"]) == (503, "urn:governed-ml:problem:no-champion")
    assert ask(world.port, "GET", "/model").status == 503
    assert ask(world.port, "GET", "/health/live").status == 200


def test_the_next_champion_is_served_without_a_restart(world: World) -> None:
    # Given version 1 in service, when version 2 is promoted
    second = version_of(2, "champion", "sha256:2")
    world.ledger.models[2] = model_of(world.project, second)
    world.ledger.life.versions[1].state = "retired"
    world.ledger.life.versions[2] = second
    # Then it answers, without a gap
    statuses: set[int] = set()

    def answered() -> bool:
        found = post(world.port, "/predict", world.rows(1))
        statuses.add(found.status)
        return found.json["version"] == 2

    wait_for(answered)
    assert statuses == {200}
    assert ask(world.port, "GET", "/model").json["digests"]["model"] == "sha256:2"


def test_a_request_that_meets_a_replacement_is_answered_by_the_next_champion(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a champion that is closed just after a request has found it
    old = world.ledger.models[1]
    keeper, second = world.service.keeper, version_of(2, "champion", "sha256:2")
    found = [Lineup(champion=old), Lineup(champion=model_of(world.project, second))]
    old.close()
    monkeypatch.setattr(
        type(keeper), "lineup", property(lambda _: found.pop(0) if found[1:] else found[0])
    )
    # When the request goes on, then the next champion answers it
    answer = post(world.port, "/predict", world.rows(1))
    assert (answer.status, answer.json["version"]) == (200, 2)


def test_a_model_that_cannot_answer_is_an_error_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a model that refuses the rows
    def refuse(_: Any) -> None:
        raise Problem("the model cannot predict these rows: input contains NaN")

    monkeypatch.setattr(world.ledger.models[1], "predict", refuse)
    # When it is asked, then the client learns that, and the log has the row without an answer
    found = post(world.port, "/predict", world.rows(1))
    assert (found.status, found.json["type"]) == (422, "urn:governed-ml:problem:unpredictable-rows")
    (logged,) = world.logged()
    assert (logged["prediction"], logged["error"]) == (None, "Problem")


def test_labels_are_kept_for_monitoring(world: World) -> None:
    # Given an answer, when its true value arrives
    request = post(world.port, "/predict", world.rows(1)).json["request_id"]
    label = {"request_id": request, "row": 0, "label": "yes"}
    found = post(world.port, "/ground-truth", label)
    # Then it is accepted and stored
    assert (found.status, found.json["labels"]) == (202, 1)
    (kept,) = world.logged("ground_truth")
    assert {name: kept[name] for name in label} == label
    # And what is no label is refused by name, without its value, with nothing stored
    wrong = [label, label | {"label": "perhaps"}, label | {"row": -1}, label | {"more": 1}]
    refused = post(world.port, "/ground-truth", wrong)
    assert refused.status == 422
    assert [one["pointer"] for one in refused.json["errors"]] == ["/2/row", "/3/more"]
    assert b"perhaps" not in refused.content
    unknown = post(world.port, "/ground-truth", [label | {"label": "perhaps"}])
    assert unknown.json["errors"] == [
        {"pointer": "/0/label", "detail": "is no value that the target had in training"}
    ]
    missing = post(world.port, "/ground-truth", [label | {"label": ""}])
    assert missing.json["errors"] == [
        {"pointer": "/0/label", "detail": "stands for a missing value"}
    ]
    assert len(world.logged("ground_truth")) == 1


def test_a_shadow_is_logged_apart_and_never_answers(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a champion, and a challenger in shadow
    waiting = version_of(2, "pending_review", "sha256:2")
    ledger = Ledger({1: model_of(project_after_run), 2: model_of(project_after_run, waiting)})
    ledger.life.versions |= {1: version_of(), 2: waiting}
    service = service_of(tmp_path, ledger, shadow=2)
    with running(service) as port:
        world = World(project_after_run, ledger, service, port, tmp_path)
        # When rows are answered
        found = post(port, "/predict", world.rows(2)).json
        wait_for(lambda: len(world.logged()) == 4)
        # Then the champion answered, and the log has both, marked
        assert found["version"] == 1
        assert [(one["arm"], one["model_digest"]) for one in world.logged()] == [
            *[("champion", "sha256:1")] * 2,
            *[("shadow", "sha256:2")] * 2,
        ]
        # And the attributes were stored once
        assert len(world.logged("sensitive_log")) == 2


def test_contributions_add_up_to_the_output(world: World) -> None:
    # Given rows, when their predictions are asked for with explanations
    rows = world.rows(3)
    found = post(world.port, "/predict?explain=true", rows).json["predictions"]
    # Then each has contributions of the features that add up to the output
    model = model_file.load((world.project.path / "models" / "model.skops").read_bytes())
    for one in found:
        said = one["explanation"]
        total = said["base"] + sum(said["contributions"].values())
        assert total == pytest.approx(said["output"], abs=1e-6)
        assert set(said["contributions"]) == set(model.feature_names_in_)
    # And the log has them, and says which rows were explained
    logged = world.logged()
    assert [one["explained"] for one in logged] == [True] * 3
    assert json.loads(logged[0]["explanation"]) == found[0]["explanation"]
    assert "explanation" not in post(world.port, "/predict", rows).json["predictions"][0]


@pytest.mark.parametrize(("serve", "explained"), [("all", True), ("on_request", False)])
def test_the_policy_can_have_every_prediction_explained(
    world: World, serve: Any, explained: bool
) -> None:
    # Given a policy, when somebody asks without wanting an explanation
    world.service.explanations = ServedExplanations(serve=serve)
    found = post(world.port, "/predict", world.rows(1)).json
    # Then the log has one if the policy wants it, the answer has none, and the metric counts it
    assert [one["explained"] for one in world.logged()] == [explained]
    assert "explanation" not in found["predictions"][0]
    text = ask(world.port, "GET", "/metrics").content.decode()
    word = "true" if explained else "false"
    assert f'governed_ml_answers_total{{arm="champion",explained="{word}"}} 1.0' in text


def test_more_rows_than_are_explained_at_once_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a service that explains two rows at once, when three are to be explained
    monkeypatch.setattr(served, "MOST", 2)
    found = post(world.port, "/predict?explain=true", world.rows(3))
    # Then the request is refused before anything is logged
    assert (found.status, found.json["detail"]) == (
        422,
        "at most 2 rows are explained at once: send fewer rows",
    )
    world.service.explanations = ServedExplanations(serve="all")
    assert post(world.port, "/predict", world.rows(3)).status == 422
    assert world.logged() == []
    # And where the policy wants a sample only, the first two are explained
    world.service.explanations = ServedExplanations(serve="sampled", share=1)
    assert post(world.port, "/predict", world.rows(3)).status == 200
    assert [one["explained"] for one in world.logged()] == [True, True, False]


def test_explanations_of_several_classes_name_them() -> None:
    model: Any = SimpleNamespace(data=SimpleNamespace(multiclass=True, class_names=["a", "b", "c"]))
    one = Contributions([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], {"age": [1.0, 0.0, -1.0]})
    assert ServedModel._said(model, one, {"method": "shap"}) == {
        "method": "shap",
        "base": {"a": 0.0, "b": 1.0, "c": 2.0},
        "output": {"a": 1.0, "b": 1.0, "c": 1.0},
        "contributions": {"age": {"a": 1.0, "b": 0.0, "c": -1.0}},
    }
    assert ServedModel._said(model, None, {}) is None


def test_a_model_whose_process_ends_is_loaded_again_at_once(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a service that looks at the ledger once in five minutes, whose model's process ends
    ledger = Ledger({1: model_of(project_after_run)})
    ledger.life.versions[1] = version_of()
    settings = LOOPBACK.model_copy(update={"refresh_seconds": 300})
    dead, rows = ledger.models[1], rows_of(project_after_run, 1)
    with running(service_of(tmp_path, ledger, settings)) as port:
        ledger.models[1] = model_of(project_after_run)
        ended = property(lambda one: one is dead)
        with mock.patch.object(ServedModel, "ended", ended):
            # When it is asked, then there is no answer for a moment, and then there is one
            assert post(port, "/predict", rows).status == 503
            wait_for(lambda: post(port, "/predict", rows).status == 200)


def test_a_process_that_ends_in_a_request_is_no_fault_of_the_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a model whose process ends while it is asked
    model = world.service.keeper.lineup.champion
    end = mock.Mock(side_effect=ProcessEnded("the process ended"))
    monkeypatch.setattr(model, "predict", end)
    hurried: list[int] = []
    world.service.hurry = lambda: hurried.append(1)
    # When rows come, then the service says that it has no model, logs it, and looks after it
    found = post(world.port, "/predict", world.rows(1))
    assert (found.status, found.json["type"]) == (503, "urn:governed-ml:problem:no-champion")
    assert "retry-after" in found.headers
    assert [one["error"] for one in world.logged()] == ["ProcessEnded"]
    assert hurried


def test_refusals_are_counted_by_kind(world: World) -> None:
    # Given requests that are refused, when the metrics are read
    post(world.port, "/predict", {"income": "much"})
    ask(world.port, "GET", "/nowhere")
    text = ask(world.port, "GET", "/metrics").content.decode()
    # Then each counts under its kind, and the unknown path has no series of its own
    assert 'governed_ml_refused_total{kind="invalid-rows"} 1.0' in text
    assert 'governed_ml_refused_total{kind="not-found"} 1.0' in text
    assert "nowhere" not in text


@dataclass(frozen=True)
class TwoArms:
    """A service with a champion and a canary that answers half of the subjects."""

    world: World
    second: Any

    def arms(self) -> list[tuple[str, str | None]]:
        return [(one["arm"], one["error"]) for one in self.world.logged()]


@pytest.fixture(name="two")
def with_a_canary(project_after_run: BakedProject, tmp_path: Path) -> Generator[TwoArms]:
    """The default project's model twice: as champion, and as canary."""
    approved = version_of(2, "approved", "sha256:2")
    ledger = Ledger({1: model_of(project_after_run), 2: model_of(project_after_run, approved)})
    ledger.life.versions |= {1: version_of(), 2: approved}
    ledger.life.canary = Canary(version=2, share=50, step=1, since="2026-12-01T00:00:00Z")
    service = service_of(tmp_path, ledger)
    with running(service) as port:
        yield TwoArms(World(project_after_run, ledger, service, port, tmp_path), ledger.models[2])


def test_a_canary_answers_its_subjects_and_nobody_without_a_name(two: TwoArms) -> None:
    # Given subjects, when each asks three times
    rows, port = two.world.rows(1), two.world.port
    found = {
        f"person-{n}": {
            post(port, "/predict", rows, X_Subject=f"person-{n}").json["version"] for _ in range(3)
        }
        for n in range(12)
    }
    # Then each gets the same version always, and there are both
    assert all(len(versions) == 1 for versions in found.values())
    assert set[int]().union(*found.values()) == {1, 2}
    # And who has no name gets the champion
    assert {post(port, "/predict", rows).json["version"] for _ in range(5)} == {1}
    # And the log says who answered
    assert {arm for arm, _ in two.arms()} == {"champion", "canary"}


def test_the_champion_answers_where_the_canary_fails(
    two: TwoArms, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a canary that breaks, when its subjects ask
    def broken(_: Any) -> None:
        raise TypeError("the canary is broken")

    monkeypatch.setattr(two.second, "predict", broken)
    rows, port = two.world.rows(1), two.world.port
    answers = [post(port, "/predict", rows, X_Subject=f"person-{n}") for n in range(12)]
    # Then the champion answers, and the log has the canary's errors
    assert {(one.status, one.json["version"]) for one in answers} == {(200, 1)}
    assert ("canary", "TypeError") in two.arms()
    # And the attributes of each request are stored once
    assert len(two.world.logged("sensitive_log")) == 12

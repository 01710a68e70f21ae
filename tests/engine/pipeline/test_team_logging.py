"""What `fit` logs to MLflow goes into the engine's run, and never stops a training that is done."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from governed_ml.pipeline.isolated import team_logging
from governed_ml.pipeline.stages import train

RUN = {"id": "0123456789abcdef0123456789abcdef", "name": "a training", "experiment": "credit"}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """A store of files with the engine's run."""
    before = dict(os.environ)
    team_logging.open_store(tmp_path, RUN)
    yield MlflowClient()
    os.environ.clear()
    os.environ.update(before)


def archive(files: dict[str, str]) -> bytes:
    """What the process of the training hands over."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as found:
        for name, text in files.items():
            found.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


def artifacts(client: MlflowClient) -> set[str]:
    return {one.path for one in client.list_artifacts(RUN["id"])}


def test_a_parameter_of_the_engines_is_left_out(client: MlflowClient) -> None:
    # Given a `fit` that logs a parameter which the engine logs, too, when it is handed over
    content = archive({"params/seed": "7", "params/depth": "3"})
    note = team_logging.hand_over(content, RUN["id"], own={"seed"})
    # Then it is left out, and the evidence says so; the engine's own can be logged
    assert note == "1 entries of what fit logged were not taken"
    client.log_param(RUN["id"], "seed", "2026")
    assert client.get_run(RUN["id"]).data.params == {"seed": "2026", "depth": "3"}


def test_artifacts_that_cannot_be_written_are_left_out(client: MlflowClient) -> None:
    # Given names that are a file and a folder, the engine's own, or none on some system
    own = ("Model/x", "params.yaml", "policy.json")
    bad = ("a/b", *own, "CON", "nul.txt", "x.", "y /z", "../up", "n" * 300)
    names = dict.fromkeys(["a", *bad, "plot.svg"], "content")
    content = archive({f"artifacts/{name}": text for name, text in names.items()})
    # When they are handed over, then they are left out and counted, and the others are there
    note = team_logging.hand_over(content, RUN["id"])
    assert note == f"{len(bad)} entries of what fit logged were not taken"
    assert artifacts(client) == {"a", "plot.svg"}


def test_an_invalid_metric_does_not_prevent_logging_the_others(client: MlflowClient) -> None:
    # Given metrics of which MLflow takes some, and others that are no numbers for a database
    content = archive(
        {
            "metrics/loss": "1 0.5 0\n2 0.4 1",
            "metrics/bad%name": "1 1.0 0",
            "metrics/late": f"{1 << 70} 1.0 0",
            "metrics/far": f"1 1.0 {1 << 70}",
            "metrics/text": "1 none 0",
        }
    )
    # When they are handed over, then those are left out, and the others are there
    note = team_logging.hand_over(content, RUN["id"])
    assert note == "4 entries of what fit logged were not taken"
    assert client.get_run(RUN["id"]).data.metrics == {"loss": 0.4}


def test_an_entry_that_cannot_be_unpacked_is_left_out(client: MlflowClient) -> None:
    # Given an archive with an entry of an unknown compression
    content = bytearray(archive({"params/a": "1", "params/b": "2"}))
    content[content.index(b"PK\x01\x02") + 10] = 99
    # When it is handed over, then the other entry is there
    assert team_logging.hand_over(bytes(content), RUN["id"]).startswith("1 entries")
    assert client.get_run(RUN["id"]).data.params == {"b": "2"}
    # And what is no archive is counted, too
    assert team_logging.hand_over(b"none", RUN["id"]).startswith("1 entries")


def test_a_run_is_marked_as_failed_whatever_stops_it(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a training that stops by an error that nobody foresaw
    def stop(_: Any) -> None:
        raise RuntimeError("unforeseen")

    ended: list[bool] = []
    model = SimpleNamespace(name="a_model")
    params: Any = SimpleNamespace(experiment="credit", model=model)
    for name, value in {
        "read": lambda *_: params,
        "load": lambda _: SimpleNamespace(body=SimpleNamespace(folds=None)),
        "fold_training": SimpleNamespace(trained=lambda *_: []),
        "open_run": lambda *_: RUN["id"],
        "Training": lambda *_: SimpleNamespace(fit=stop, close=lambda: ended.append(True)),
    }.items():
        monkeypatch.setattr(train, name, value)
    # When the stage runs, then the run says so
    with pytest.raises(RuntimeError, match="unforeseen"):
        train.main()
    assert client.get_run(RUN["id"]).info.status == "FAILED"
    assert ended

"""A champion is watched under the contract of its release, whatever the working tree says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import baked
import pytest

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.monitoring.release_contract import with_contract
from governed_ml.pipeline.contract.prediction_rows import expectations
from governed_ml.pipeline.contract.suite_file import given

CONTRACT = "governance/contract.json"
DATA = Data.model_validate(
    {
        "name": "d",
        "task": "regression",
        "target": "y",
        "source": {"kind": "synthetic", "rows": 9},
        "contract": CONTRACT,
    }
)


def suite(highest: int) -> str:
    limits = {"column": "x", "max_value": highest}
    one = {"type": "expect_column_values_to_be_between", "kwargs": limits}
    return json.dumps({"expectations": [one]})


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def released(base: Path, commit: str, said: str) -> list[int]:
    """What the contract of a version asks for: of a commit, measured under a digest."""
    version = cast("Any", SimpleNamespace(number=3, subject={"commit": commit}))
    validated = SimpleNamespace(body=SimpleNamespace(contract_digest=said))
    folder = base.parent / "scratch"
    data = with_contract(base, version, DATA, cast("Any", {"validate": validated}), folder)
    return [one["kwargs"]["max_value"] for one in given(data)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A repository with a contract."""
    folder = tmp_path / "project"
    (folder / "governance").mkdir(parents=True)
    (folder / CONTRACT).write_text(suite(100), encoding="utf-8")
    baked.git(folder, "init", "--quiet", "-b", "main")
    baked.commit_all(folder, "A contract")
    return folder


def test_the_contract_is_that_of_the_releases_commit(base: Path) -> None:
    # Given a release, and a working tree whose contract was loosened afterwards
    commit = baked.git(base, "rev-parse", "HEAD")
    (base / CONTRACT).write_text(suite(10**9), encoding="utf-8")
    assert released(base, commit, digest(suite(100))) == [100]
    # And also where that was committed
    baked.commit_all(base, "A loose one")
    assert released(base, commit, digest(suite(100))) == [100]
    # And where the working tree has none
    (base / CONTRACT).unlink()
    assert released(base, commit, digest(suite(100))) == [100]


def test_the_prediction_contract_is_that_of_the_release_too(base: Path) -> None:
    # Given a release with a prediction contract, which was loosened afterwards
    name = "governance/predictions.json"
    (base / name).write_text(suite(7), encoding="utf-8")
    baked.commit_all(base, "A contract about predictions")
    commit = baked.git(base, "rev-parse", "HEAD")
    (base / name).write_text(suite(10**9), encoding="utf-8")
    version = cast("Any", SimpleNamespace(number=3, subject={"commit": commit}))
    own = DATA.model_copy(update={"prediction_contract": name})

    def expected(said: str) -> list[int]:
        validated = SimpleNamespace(body=SimpleNamespace(contract_digest=digest(suite(100))))
        evaluated = SimpleNamespace(subject=SimpleNamespace(inputs={name: said}))
        found = cast("Any", {"validate": validated, "evaluate": evaluated})
        data = with_contract(base, version, own, found, base.parent / "scratch")
        assert [one["kwargs"]["max_value"] for one in given(data)] == [100]
        return [one["kwargs"]["max_value"] for one in expectations(data)]

    # When the champion is watched, then under the expectations that it was measured under
    assert expected(digest(suite(7))) == [7]
    with pytest.raises(Problem, match=r"the contract governance/predictions\.json that version 3"):
        expected(digest(suite(8)))


def test_a_clone_without_the_commit_uses_the_same_contract_or_none(base: Path) -> None:
    # Given a clone in which the commit is not; the file that is here is the same
    assert released(base, "f" * 40, digest(suite(100))) == [100]
    # When it is another one, then nobody knows what the release was held to
    with pytest.raises(Problem, match=r"version 3 was measured under .*`git fetch`"):
        released(base, "f" * 40, digest(suite(50)))
    # And the same if the commit has another contract than the evidence names
    commit = baked.git(base, "rev-parse", "HEAD")
    with pytest.raises(Problem, match="neither in commit"):
        released(base, commit, digest(suite(50)))

"""The tests of a generated project: they pass, and fail where the team made a mistake."""

from __future__ import annotations

import pytest
from baked import Bake, BakedProject


def test_the_generated_tests_pass_in_a_fresh_project(bake_runnable: Bake) -> None:
    # Given a fresh project, when its tests run, then they pass, also for the other task
    for task in ("classification", "regression"):
        done = bake_runnable(task=task).run(["pytest", "-q"])
        assert "3 passed" in done.stdout


def test_the_generated_tests_take_the_columns_of_the_last_run(finished: BakedProject) -> None:
    # Given features that name a column of the project's table, after its pipeline ran
    name = f"src/{finished.package}/features.py"
    first = "    numbers = make_pipeline("
    text = finished.read(name)
    assert first in text
    text = text.replace(first, f"    assert 'income' in numeric\n{first}")
    finished.write(name, text)
    # When the tests run, then their small table has it
    assert "3 passed" in finished.run(["pytest", "-q"]).stdout


@pytest.mark.parametrize(
    ("module", "old", "new", "failed"),
    [
        ("features", '"infrequent_if_exist", max_categories=40', '"error"', "features"),
        pytest.param(
            *("training", "return pipeline.fit(features, target)", "return None", "training"),
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            *("sources", "sorted(Path(folder)", "reversed(sorted(Path(folder)", "source"),
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_a_mistake_in_the_teams_code_is_found(
    bake_runnable: Bake, module: str, old: str, new: str, failed: str
) -> None:
    # Given a project whose team has made a mistake, when its tests run
    project = bake_runnable()
    name = f"src/{project.package}/{module}.py"
    text = project.read(name)
    assert old in text
    text = text.replace(old, new).replace('.glob("*.csv"))])', '.glob("*.csv")))])')
    project.write(name, text)
    # Then the one about that module fails
    said = project.run(["pytest", "-q"], code=1).stdout
    lines = [line for line in said.splitlines() if line.startswith("FAILED")]
    assert len(lines) == 1, said
    assert failed in lines[0]

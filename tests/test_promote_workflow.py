"""promote.yml and rollback.yml, really executed by `act`: from a registered version to champion."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import acting
import baked
import hosting
import pytest
from conftest import once
from hosting import Hosted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


@pytest.fixture(scope="session")
def hosted_once(
    default_line: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A project on GitHub whose version 1 waits for two approvals."""

    def make(folder: Path) -> None:
        hosting.build(baked.copy_project(default_line, folder))

    folder = once(tmp_path_factory, "hosted-server", make)
    return baked.BakedProject(folder / "project", default_line.environment)


@pytest.fixture
def hosted(
    hosted_once: baked.BakedProject, tmp_path: Path, runner: acting.Runner
) -> Generator[Hosted]:
    """A copy of that project for one test, with a GitHub, a registry and a DVC remote."""
    with hosting.hosted(hosted_once, tmp_path, runner) as found:
        yield found


def test_two_people_say_yes_and_the_version_is_champion(hosted: Hosted) -> None:
    # Given a version that waits, and a run of the workflow that two people approve
    hosted.say_yes(model="owner", risk="risk")
    # When the workflow runs
    run = hosted.run()
    # Then every job ran and is green
    jobs = {"preflight", "rejudge", "approve-model", "approve-risk", "promote"}
    assert (run.code, run.green, run.red) == (0, jobs, set()), run.tail()

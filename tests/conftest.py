"""What all tests share: a clean copy of the template, one environment, a way to bake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import acting
import baked
import composing
import offline
import pytest
import registry
from baked import Bake, once, shared_folder
from chains import empty, nobody, origin, repo  # noqa: F401 - fixtures
from filelock import FileLock
from judging import judged  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from github_stand_in import GitHubStandIn
    from hosting import Hosted

composing.remember()

PROJECTS = ("template", "workflows")  # tests in these folders generate projects

# As in the stages (`process_settings.quiet`): OpenMP threads of two workers share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark tests of projects slow; have one process prepare projects while the other tests.

    pytest-xdist gives each process an eighth of the tests to begin with, and then what comes next.
    The last are short, so that both end at once.
    """
    prepared = {one for one in items if "environment" in getattr(one, "fixturenames", ())}
    for one in items:
        folder = one.path.relative_to(Path(__file__).parent).parts[0]
        if folder in PROJECTS or one in prepared:
            one.add_marker(pytest.mark.slow)
    yield  # here the tests that do not run are taken out
    eighth = len(items) // 8
    needs = [one for one in items if one in prepared]
    others = [one for one in items if one not in prepared]
    items[:] = [*needs[:eighth], *others[:-eighth], *needs[eighth:], *others[-eighth:]]


@pytest.fixture(autouse=True)
def own_environment() -> Generator[None]:
    """Put back the environment after each test: MLflow writes its store's address there."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def template() -> Path:
    """The template as git has it, in a repository of its own; do not change it."""
    return baked.prepared_template()


@pytest.fixture(scope="session")
def environment(template: Path) -> Path:
    """One virtual environment with what a generated project depends on; do not change it."""
    return baked.prepared_environment(template)


@pytest.fixture
def bake(template: Path, tmp_path: Path) -> Bake:
    """Generate a project for one test, to be looked at: `bake(task="regression")`."""
    number = count()

    def make(**answers: str) -> baked.BakedProject:
        return baked.bake(template, tmp_path / f"baked-{next(number)}", **answers)

    return make


@pytest.fixture
def bake_runnable(template: Path, environment: Path, tmp_path: Path) -> Bake:
    """Generate a project for one test, whose commands can be run as well."""
    number = count()

    def make(**answers: str) -> baked.BakedProject:
        return baked.bake(template, tmp_path / f"baked-{next(number)}", environment, **answers)

    return make


@pytest.fixture(scope="session")
def project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> baked.BakedProject:
    """The default project, to be looked at and not changed."""
    return baked.bake(template, tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def project_after_run(
    template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """The default project after `dvc repro`, committed; made once a session, not to be changed.

    The network is cut for it, and connections that it tries are written to `offline.LOG`.
    """
    home = shared_folder(tmp_path_factory) / "after-run"
    done = home.with_suffix(".done")
    with FileLock(done.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(home, ignore_errors=True)
            made = baked.bake(template, home, environment)
            command = [*offline.cut(), "dvc", "repro"]
            site = str(home / "site")
            made.run(command, DVC_SITE_CACHE_DIR=site, **offline.watch(made))
            baked.commit_all(made.path, "The pipeline ran")
            done.touch()
    return baked.BakedProject(home / "governed-model", environment)


@pytest.fixture
def finished(project_after_run: baked.BakedProject, tmp_path: Path) -> baked.BakedProject:
    """A copy of the default project after its pipeline ran, with cache, for one test to change."""
    return baked.copy_project(project_after_run, tmp_path)


STORES = ["sqlite", pytest.param("server", marks=pytest.mark.nightly)]


@pytest.fixture(scope="session", params=STORES)
def registered_once(
    project_after_run: baked.BakedProject,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> baked.BakedProject:
    """The default project with keys, approvers and a remote; its model is version 1, pending."""

    def make(folder: Path) -> None:
        project = registry.equip(baked.copy_project(project_after_run, folder))
        with stored(project, request.param) as project:
            project.governance("register")

    folder = once(tmp_path_factory, f"registered-{request.param}", make)
    return baked.BakedProject(folder / "project", project_after_run.environment)


@pytest.fixture(scope="session")
def contested_once(
    registered_once: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """Version 1 is champion, version 2 was approved and waits for its promotion."""
    kept = registered_once.path.parent.name

    def make(folder: Path) -> None:
        project = registry.copy(registered_once, folder)
        with stored(project, kept) as project:
            registry.approve(project, 1)
            project.governance("promote")
            registry.another_model(project)
            project.governance("register")
            registry.approve(project, 2)

    folder = once(tmp_path_factory, kept.replace("registered", "contested"), make)
    return baked.BakedProject(folder / kept / "project", registered_once.environment)


def stored(project: baked.BakedProject, store: str) -> AbstractContextManager[baked.BakedProject]:
    """The project with its own SQLite file, or with a server of its own."""
    return registry.served(project) if store.endswith("server") else nullcontext(project)


@pytest.fixture
def registered(
    registered_once: baked.BakedProject, tmp_path: Path
) -> Generator[baked.BakedProject]:
    """A copy of that project for one test: version 1 is pending review."""
    copied = registry.copy(registered_once, tmp_path)
    with stored(copied, registry.home(copied).name) as project:
        yield project


@pytest.fixture
def contested(contested_once: baked.BakedProject, tmp_path: Path) -> Generator[baked.BakedProject]:
    """A copy of that project for one test: version 1 is champion, version 2 approved."""
    copied = registry.copy(contested_once, tmp_path)
    with stored(copied, registry.home(copied).name) as project:
        yield project


@pytest.fixture
def runner(tmp_path: Path) -> acting.Runner:
    """Run workflows with `act`: `runner(project, "governance.yml", "pull_request", payload=…)`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return acting.Runner(tmp_path / "runner", environments=baked.ROOT / ".venv-act" / worker)


@pytest.fixture(scope="session")
def hosted_once(
    project_after_run: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A project on GitHub whose version 1 waits for two approvals."""

    def make(folder: Path) -> None:
        import hosting

        hosting.build(baked.copy_project(project_after_run, folder))

    folder = once(tmp_path_factory, "hosted-server", make)
    return baked.BakedProject(folder / "project", project_after_run.environment)


@pytest.fixture
def hosted(
    hosted_once: baked.BakedProject, tmp_path: Path, runner: acting.Runner
) -> Generator[Hosted]:
    """A copy of that project for one test, with a GitHub, a registry and a DVC remote."""
    import hosting

    with hosting.hosted(hosted_once, tmp_path, runner) as found:
        yield found


@pytest.fixture(scope="module")
def loans(
    project: baked.BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A project of tier high on GitHub, whose owners are two teams; not to be changed."""
    from github_projects import clone

    return clone(project, tmp_path_factory.mktemp("loans"))


@pytest.fixture
def own(loans: baked.BakedProject, tmp_path: Path) -> baked.BakedProject:
    """A copy of it, to be changed."""
    return baked.copy_project(loans, tmp_path)


@pytest.fixture
def github_api() -> Generator[GitHubStandIn]:
    """A GitHub whose every request and answer is as its description says."""
    from github_stand_in import GitHubStandIn

    with GitHubStandIn() as stand_in:
        yield stand_in
    assert not stand_in.complaints

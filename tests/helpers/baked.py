"""Projects generated for a test, and the clean copy of the template that they come from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import in_process
import pytest
import warm
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"
FOREIGN = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT"),
    *("COLUMNS", "LINES"),  # a table in a log has room, whatever terminal the tests run in
    "PYTHONDONTWRITEBYTECODE",  # without bytecode an import takes twice as long
)
STAGES = (
    *("compose", "ingest", "validate", "split", "train", "evaluate", "drift", "fairness"),
    *("explain", "document", "decide"),
)
QUIET = {"DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}


def clean_environment(**variables: str) -> dict[str, str]:
    """The caller's variables without another environment's or repository's, plus the given ones."""
    kept = {k: v for k, v in os.environ.items() if k not in FOREIGN and not k.startswith("GIT_")}
    return kept | QUIET | variables


def git_code(folder: Path, *arguments: str) -> int:
    """Run git and return its exit code, where that is the answer."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=clean_environment(), check=False).returncode


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """Run git as a test's author, and return what it printed."""
    settings = ["user.name=Test", "user.email=test@example.org", "commit.gpgsign=false"]
    command = ["git", *[part for setting in settings for part in ("-c", setting)], *arguments]
    env = clean_environment(**variables)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments[0]}: {done.stderr}"
    return done.stdout.strip()


def commit_all(folder: Path, message: str, *options: str) -> str:
    """Commit everything in a repository and return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message, *options)
    return git(folder, "rev-parse", "HEAD")


COPY = ROOT / ".venv-template"
"""The template that tests generate from, one folder per commit."""
ENVIRONMENT = ROOT / ".venv-baked"
APART = ("tests/", "docs/", ".ci/", ".github/")
"""What generates nothing and is no part of the engine: an edit there makes no new commit."""
DATE = "2026-01-01T00:00:00Z"


def copy_template(target: Path) -> str:
    """Copy what git knows or would add of the template, as a repository with one commit.

    The commit depends on these files alone, so what uv built of it is found again.
    """
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in names:
        if name and not name.startswith(APART) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    git(target, "init", "--quiet", "--initial-branch", "main", "--template=")
    git(target, "add", "--all")
    dates = {"GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
    git(target, "commit", "--quiet", "--message", "The template", **dates)
    return git(target, "rev-parse", "HEAD")


def prepared_template() -> Path:
    """The template in a repository of its own; it is kept from session to session."""
    COPY.mkdir(exist_ok=True)
    with FileLock(COPY / "lock"):
        made = COPY / f"made-{os.getpid()}"
        shutil.rmtree(made, ignore_errors=True)
        target = COPY / copy_template(made)[:12]
        if target.exists():
            shutil.rmtree(made)
        else:
            made.rename(target)
        target.touch()
        _forget_old(target)
    return target


def _forget_old(kept: Path) -> None:
    """Remove copies that no session of the last day has used."""
    for folder in COPY.iterdir():
        if folder.is_dir() and folder != kept and time.time() - folder.stat().st_mtime > 86_400:
            shutil.rmtree(folder)


def prepared_environment(template: Path) -> Path:
    """A virtual environment of a project that was generated from a template, with its lock.

    It is made again when the template's commit or the interpreter is another one.
    """
    wanted = {"template": str(template), "python": sys.version, "executable": sys.executable}
    made_from, lock = ENVIRONMENT / "made-from.json", ENVIRONMENT / "uv.lock"
    with FileLock(ROOT / ".venv-baked.lock"):
        known = json.loads(made_from.read_text("utf-8")) if made_from.is_file() else None
        if known != wanted or not lock.is_file():
            made_from.unlink(missing_ok=True)
            uv = os.environ.get("UV") or shutil.which("uv")
            assert uv, "uv is not on PATH: run the tests with `python tasks.py test`"
            with tempfile.TemporaryDirectory() as folder:
                project = bake(template, Path(folder))
                options = ["--quiet", "--all-groups", "--python", sys.executable]
                # Without the project's settings uv compiles no bytecode: most is never imported.
                to = {"UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT), "UV_NO_CONFIG": "1"}
                run_plain([uv, "sync", *options], project.path, **to)
                shutil.copy(project.path / "uv.lock", lock)
            made_from.write_text(json.dumps(wanted), encoding="utf-8")
    return ENVIRONMENT


@dataclass(frozen=True)
class BakedProject:
    """A generated project, and how a test looks at it and runs things in it."""

    path: Path
    environment: Path | None = None  # a virtual environment with the project's dependencies
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def answers(self) -> dict[str, str]:
        """The answers as the project's `.cruft.json` keeps them."""
        return json.loads(self.read(".cruft.json"))["context"]["cookiecutter"]

    @property
    def package(self) -> str:
        """The name of the project's Python package."""
        return self.answers["package"]

    @property
    def files(self) -> list[str]:
        """The files that git tracks, as relative POSIX paths."""
        return git(self.path, "ls-files", "-z").rstrip("\0").split("\0")

    def has_file(self, name: str) -> bool:
        """Whether the project has this file."""
        return (self.path / name).is_file()

    def read(self, name: str) -> str:
        """The text of a file of the project."""
        return (self.path / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project, and its folder if need be."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8", newline="\n")

    def run(
        self, command: list[str], *, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, as `uv run` would; assert its exit code unless it is None.

        The prepared environment has the engine and all dependencies: a project is no package, so
        one environment serves all the projects of a test session.
        """
        env = self._variables(variables)
        program = shutil.which(command[0], path=env["PATH"])
        assert program, f"{command[0]} is not in the environment"
        words = [program, *command[1:]]
        if warm.suits(command, variables) and (client := warm.client(self.environment)):
            words = [str(client), *command]
        done = subprocess.run(
            words,
            cwd=self.path,
            env=env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        said = f"{command} exited {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
        assert code is None or done.returncode == code, said
        return done

    def governance(
        self, *arguments: str, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the console script `governance`."""
        return self.run(["governance", *arguments], code=code, **variables)

    def call(
        self, *arguments: str, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `governance …` in this process, which takes a fraction of the time.

        For what a command decides, writes and prints. That it starts at all in a project, and what
        it imports there, is for `governance`.
        """
        done = in_process.governance(self.path, self.package, arguments, self._variables(variables))
        said = f"{arguments} exited {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
        assert code is None or done.returncode == code, said
        return done

    def stages(self, *names: str) -> None:
        """Run stages of the pipeline in this process, in order; all of them without a name.

        As `dvc repro --force` would, for tests in which DVC has no part: it takes a third.
        """
        for name in names or STAGES:
            self.call("stage", name)

    def inside(self) -> AbstractContextManager[None]:
        """Work in the project with the engine's functions, as a process of its own would."""
        return in_process.inside(self.path, self.package, self._variables({}))

    def _variables(self, variables: dict[str, str]) -> dict[str, str]:
        """The variables of a process in the project's environment."""
        assert self.environment, "this project was baked without the `environment` fixture"
        scripts = self.environment / ("Scripts" if os.name == "nt" else "bin")
        env = clean_environment(**self.variables | variables)
        env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
        env["VIRTUAL_ENV"] = str(self.environment)
        return env


def run_plain(
    command: list[str], cwd: Path, code: int | None = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the tests' own environment; assert its exit code unless it is None."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert code is None or done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def cookiecutter(
    template: Path | str,
    folder: Path,
    answers: dict[str, str],
    options: Sequence[str] = (),
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run cookiecutter in a folder as a user would, with no question asked."""
    with tempfile.TemporaryDirectory() as home:
        config = Path(home) / "config.json"
        config.write_text(json.dumps({"replay_dir": home, "cookiecutters_dir": home}))
        command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", *options]
        command += ["--config-file", str(config)]
        command += [f"{name}={value}" for name, value in answers.items()]
        return run_plain(command, folder, code=None, **variables)


IN_PROJECT = "../.dvc-remote"
DEFAULT_REMOTE = "~/dvc-remotes/governed-model"


def bake(
    template: Path, folder: Path, environment: Path | None = None, **answers: str
) -> BakedProject:
    """Generate a project into a folder; the default answers, but for those given.

    DVC's remote lies in the project, not in the home of whoever tests, so that a copy has its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = {} if "dvc_remote" in answers else {"dvc_remote_url": IN_PROJECT}
    done = cookiecutter(template, folder, own | answers)
    assert done.returncode == 0, done.stdout + done.stderr
    project = folder / answers.get("project_slug", "governed-model")
    if environment is not None and (environment / "uv.lock").is_file():
        shutil.copy(environment / "uv.lock", project / "uv.lock")  # as `uv run` would leave it
    return BakedProject(project, environment)


def copy_project(project: BakedProject, folder: Path, *leave_out: str) -> BakedProject:
    """Copy a project into a folder, without names given.

    MLflow's store stays behind: it names the folder of its artifacts by an absolute path.
    """
    names = shutil.ignore_patterns("mlflow.db*", "mlruns", *leave_out)
    target = shutil.copytree(project.path, folder / "project", symlinks=True, ignore=names)
    variables = {"DVC_SITE_CACHE_DIR": str(folder / "site")}
    return BakedProject(target, project.environment, variables)


Bake = Callable[..., BakedProject]


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Have a folder made once a session, whichever worker comes first."""
    folder = shared_folder(factory) / name
    done = folder.with_suffix(".done")
    with FileLock(done.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test session see."""
    base = factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base

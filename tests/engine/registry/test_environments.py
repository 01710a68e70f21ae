"""Which environment measures a commit: the running one where it is the commit's, else its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from governed_ml.core.code import engine
from governed_ml.core.code.engine import Identity
from governed_ml.core.problem import Problem
from governed_ml.registry.remeasure import environment_cache, environments

COMMIT = "a" * 40
PIN = f'{{ git = "https://example.org/template?rev={COMMIT}#{COMMIT}" }}'
PROJECT = """
[project]
name = "loans"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []
[dependency-groups]
pipeline = []
[tool.uv]
package = false
[tool.governed-ml]
package = "loans"
"""
BEFORE = """
[project]
name = "loans"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []
[project.scripts]
governance = "loans.cli:main"
[dependency-groups]
line = []
"""
LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "governed-ml"
version = "0.2.0"
source = {pin}

[[package]]
name = "loans"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "governed-ml" }}]

[package.dev-dependencies]
pipeline = [{{ name = "pandas" }}, {{ name = "pydantic" }}]
dev = [{{ name = "ruff" }}]

[[package]]
name = "pandas"
version = "{pandas}"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "pydantic"
version = "{pydantic}"
source = {{ registry = "https://index.example.com/simple" }}
dependencies = [{{ name = "typing-extensions" }}]

[package.optional-dependencies]
email = [{{ name = "email-validator" }}]
timezone = [{{ name = "tzdata" }}]

[[package]]
name = "typing-extensions"
version = "{typing}"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "email-validator"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "tzdata"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}

[[package]]
name = "ruff"
version = "0.0.1"
source = {{ registry = "https://index.example.com/simple" }}
"""
EMPTY = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "loans"
version = "0.1.0"
source = { virtual = "." }
"""

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make the files of a commit."""

    def make(project: str = PROJECT, pin: str = PIN, **versions: str) -> Path:
        folder = tmp_path / "tree"
        folder.mkdir(exist_ok=True)
        names = {"pandas": "pandas", "pydantic": "pydantic", "typing": "typing-extensions"}
        found = {key: versions.get(key) or version(name) for key, name in names.items()}
        (folder / "pyproject.toml").write_text(project, encoding="utf-8")
        (folder / "uv.lock").write_text(LOCK.format(pin=pin, **found), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for the test."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(environment_cache, "folder", lambda: folder)
    return folder


def runs(monkeypatch: pytest.MonkeyPatch, kind: engine.Kind = "git", **more: str) -> None:
    """Say which engine is running."""
    found = Identity("0.2.0", "sha256:0", kind, more.get("address", ""), more.get("commit", COMMIT))
    monkeypatch.setattr(environments, "identity", lambda: found)


def silent(line: str) -> None:
    """Say nothing."""


def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put a Python program in the place of uv."""
    program = tmp_path / "stub.py"
    program.write_text(code, encoding="utf-8")
    if os.name == "nt":
        file = tmp_path / "uv.cmd"
        file.write_text(f'@"{sys.executable}" "{program}" %*\n', encoding="utf-8")
    else:
        file = tmp_path / "uv"
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    monkeypatch.setenv("UV", str(file))


def test_the_running_environment_measures_a_commit_that_pins_it(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a commit whose engine and packages are those that run; what is locked for its tools
    # (ruff), and for extras that nobody asks for, is another version
    runs(monkeypatch)
    found = environments.of(tree(), silent)
    # Then nothing is made
    assert not found.own
    assert found.stage("train") == [sys.executable, "-P", "-m", "governed_ml", "stage", "train"]
    assert "PYTHONPATH" not in found.variables(tree())


@pytest.mark.parametrize(
    ("pin", "kind", "more", "same"),
    [
        (PIN, "git", {}, True),
        (PIN, "git", {"commit": "b" * 40}, False),
        (PIN, "index", {}, False),
        (PIN, "editable", {}, False),
        (PIN, "elsewhere", {}, False),
        ('{ registry = "https://index.example.com/simple" }', "index", {}, True),
        ('{ registry = "https://index.example.com/simple" }', "git", {}, False),
        ('{ path = "vendor/governed_ml.whl" }', "archive", {}, True),
        ('{ path = "vendor/governed_ml.whl" }', "index", {}, False),
        ('{ url = "https://example.org/governed_ml.whl" }', "archive", {}, True),
        ('{ directory = "/template" }', "folder", {"address": Path("/template").as_uri()}, True)
        if os.name != "nt"
        else ('{ directory = "C:/t" }', "folder", {"address": "file:///C:/t"}, True),
        ('{ directory = "/template" }', "folder", {"address": "file:///elsewhere"}, False),
    ],
)
def test_an_engine_is_the_pinned_one_by_where_it_came_from(
    tree: Tree, pin: str, kind: engine.Kind, more: dict[str, str], same: bool
) -> None:
    entry = environments.read(tree(pin=pin)).pin()
    running = Identity(
        "0.2.0", "sha256:0", kind, more.get("address", ""), more.get("commit", COMMIT)
    )
    assert (environments.other_engine(entry, running) == "") is same


def test_an_index_has_the_pinned_engine_only_in_the_pinned_version(tree: Tree) -> None:
    entry = environments.read(tree(pin='{ registry = "https://index.example.com/simple" }')).pin()
    why = environments.other_engine(entry, Identity("0.2.1", "sha256:0", "index"))
    assert "engine 0.2.1" in why
    assert "engine 0.2.0 is pinned" in why


@pytest.mark.parametrize(
    ("versions", "cause"),
    [
        ({"pandas": "0.1"}, "pandas"),
        ({"typing": "0.1"}, "typing-extensions"),  # what a package of the group needs
    ],
)
def test_another_package_than_the_locked_one_needs_an_environment_of_its_own(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], cause: str
) -> None:
    runs(monkeypatch)
    why = environments.difference(environments.read(tree(**versions)))
    assert why.startswith(cause)
    assert "0.1 is locked" in why


def test_registering_refuses_an_engine_that_the_commit_does_not_pin(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(monkeypatch)
    assert environments.require_running(tree()).python == Path(sys.executable)
    runs(monkeypatch, commit="b" * 40)
    with pytest.raises(Problem, match=r"commit bbbbbbbbbbbb.*commit aaaaaaaaaaaa is pinned") as one:
        environments.require_running(tree())
    assert one.value.exit_code == 1


def test_a_project_from_before_the_engine_is_measured_by_its_own_code(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a commit whose measuring code is in its own package, and no engine runs it
    runs(monkeypatch)
    folder = tree(BEFORE)
    (folder / "src" / "loans").mkdir(parents=True)
    (folder / "src" / "loans" / "stage.py").touch()
    stub(tmp_path, monkeypatch, _MAKES)
    # When its environment is asked for, then it has one of its own, for its own dependency group
    found = environments.of(folder, silent)
    assert found.own
    assert found.stage("train")[1:] == ["-P", "-m", "loans.stage", "train"]
    assert found.variables(folder)["PYTHONPATH"] == str(folder / "src")
    assert "--group line --no-install-project" in (tmp_path / "asked.txt").read_text("utf-8")
    # And the current engine does not register it
    with pytest.raises(Problem, match="before the engine was a library"):
        environments.require_running(folder)


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (lambda folder: (folder / "uv.lock").unlink(), "has no uv.lock"),
        (lambda folder: (folder / "pyproject.toml").unlink(), "has no pyproject.toml"),
        (lambda folder: (folder / "uv.lock").write_text("package = 1"), "uv.lock cannot be read"),
        (lambda folder: (folder / "pyproject.toml").write_text("["), "cannot be read"),
        (lambda folder: (folder / "uv.lock").write_text(EMPTY), "has no governed-ml"),
        (lambda folder: (folder / "pyproject.toml").write_text(BEFORE), "names no engine"),
    ],
)
def test_a_commit_that_does_not_say_what_measured_it_is_refused(
    tree: Tree, broken: Callable[[Path], object], cause: str
) -> None:
    folder = tree()
    broken(folder)
    with pytest.raises(Problem, match=cause):
        environments.of(folder, silent)


_MAKES = """
import os, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "asked.txt").open("a") as file:
    print(*sys.argv[1:], file=file)
target = pathlib.Path(os.environ["UV_PROJECT_ENVIRONMENT"])
python = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
python.parent.mkdir(parents=True)
python.touch()
site = target / ("Lib/site-packages" if os.name == "nt" else "lib/python3/site-packages")
info = site / "loans-1.0.dist-info"
info.mkdir(parents=True)
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: loans\\nVersion: 1.0\\n")
(site / "loans.py").write_text("one = 1\\n")
(info / "RECORD").write_text("loans.py,sha256=HkdhEfZSg6lFe3KYy3vLO3OhJcAqkSIkpeAK9ppkYz4,8\\n")
"""


def asked(tmp_path: Path) -> int:
    """How often uv was asked."""
    return len((tmp_path / "asked.txt").read_text("utf-8").splitlines())


def test_an_environment_is_made_once_for_a_lock(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given four who ask for the environment of one commit at the same time
    stub(tmp_path, monkeypatch, _MAKES)
    folder, found, lines = tree(), list[Path](), list[str]()

    def ask() -> None:
        found.append(environment_cache.python(folder, "pipeline", "engine 0.2.0", lines.append))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    # Then one makes it, and all of them get it
    assert len(set(found)) == 1
    assert len(found) == 4
    assert asked(tmp_path) == 1
    assert lines == ["making the environment of engine 0.2.0"]
    # And another lock is another environment
    (folder / "uv.lock").write_text(EMPTY, encoding="utf-8")
    ask()
    assert len(set(found)) == 2
    assert asked(tmp_path) == 2


@pytest.mark.parametrize("what", ["edited", "unfinished", "gone", "sitecustomize.py", "x.pth"])
def test_an_environment_that_is_not_whole_is_made_again(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # Given an environment in which a file was edited, whose making was interrupted, that was
    # emptied, or in which something runs at each start of Python
    stub(tmp_path, monkeypatch, _MAKES)
    folder = tree()
    python = environment_cache.python(folder, "pipeline", "engine 0.2.0", silent)
    home = python.parents[1]
    module = next(home.glob("**/loans.py"))
    if what == "edited":
        module.write_text("two = 2\n", encoding="utf-8")
    elif what == "unfinished":
        (home / environment_cache.MADE).unlink()
    elif "." in what:
        (module.parent / what).write_text("import os\n", encoding="utf-8")
    else:
        shutil.rmtree(module.parent)
    # When it is asked for again, then it is made again
    assert environment_cache.python(folder, "pipeline", "engine 0.2.0", silent) == python
    assert asked(tmp_path) == 2
    assert module.read_text(encoding="utf-8") == "one = 1\n"
    assert not (module.parent / what).is_file()


def test_an_environment_that_nobody_used_for_long_is_removed(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given environments: used now, used long ago, never made whole, and one in use however old
    stub(tmp_path, monkeypatch, _MAKES)
    project = tree()
    now = environment_cache.python(project, "pipeline", "engine 0.2.0", silent).parents[1]
    unused, torn, busy, new = (cache / name for name in ("unused", "torn", "busy", "new"))
    for folder in (unused, torn, busy, new):
        (folder / "lib").mkdir(parents=True)
        (folder / environment_cache.MADE).touch()
    (torn / environment_cache.MADE).unlink()
    long_ago = time.time() - (environment_cache.UNUSED_DAYS + 1) * 86_400
    for path in (unused / environment_cache.MADE, torn, busy / environment_cache.MADE):
        os.utime(path, (long_ago, long_ago))
    os.utime(unused / "lib")
    with FileLock(busy.with_suffix(".lock")):
        # When an environment is asked for again
        environment_cache.python(project, "pipeline", "engine 0.2.0", silent)
    # Then those that nobody needs are gone
    assert {path for path in cache.iterdir() if path.is_dir()} == {now, busy, new}
    # And what is used stays: each use counts
    os.utime(now / environment_cache.MADE, (long_ago, long_ago))
    environment_cache.python(project, "pipeline", "engine 0.2.0", silent)
    assert now.is_dir()
    assert time.time() - (now / environment_cache.MADE).stat().st_mtime < 600


def test_uv_gets_no_other_project_or_environment(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given variables of the environment that runs, which uv would go by
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT", "UV_LOCKED", "UV_NO_SYNC"):
        monkeypatch.setenv(name, "1")
    code = "import os\nassert not {'VIRTUAL_ENV', 'PYTHONPATH', 'UV_PROJECT', 'UV_LOCKED', "
    stub(tmp_path, monkeypatch, f"{code}'UV_NO_SYNC'}} & os.environ.keys()\n{_MAKES}")
    environment_cache.python(tree(), "pipeline", "engine 0.2.0", silent)
    words = (tmp_path / "asked.txt").read_text("utf-8")
    assert "sync --frozen --no-default-groups --group pipeline --no-install-project" in words


UNREACHABLE = """
import sys
print("Using CPython 3.11", file=sys.stderr)
print("error: Failed to fetch: `https://index.example.com/simple/pandas/`", file=sys.stderr)
print("  Caused by: Network connectivity is disabled", file=sys.stderr)
sys.exit(2)
"""


def test_what_cannot_be_had_is_one_line(
    tree: Tree, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a uv that reaches nothing, then the line names engine, cause and what uv needs
    folder = tree()
    stub(tmp_path, monkeypatch, UNREACHABLE)
    with pytest.raises(Problem) as unreachable:
        environment_cache.python(folder, "pipeline", "engine 0.2.0", silent)
    said = str(unreachable.value)
    assert unreachable.value.exit_code == 2
    assert "engine 0.2.0" in said
    assert (
        "Failed to fetch: `https://index.example.com/simple/pandas/`: Network connectivity" in said
    )
    assert "needs the network, or a cache" in said
    assert not list(cache.glob("*/"))
    # And without uv it says so
    monkeypatch.delenv("UV")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Problem, match=r"measured by engine 0\.2\.0.*install uv"):
        environment_cache.python(folder, "pipeline", "engine 0.2.0", silent)


@pytest.mark.slow
def test_uv_makes_an_environment_that_runs_apart_from_this_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project that needs one small package, which uv has locked
    folder = tmp_path / "tree"
    folder.mkdir()
    wanted = f"typing-extensions=={version('typing-extensions')}"
    text = PROJECT.replace("pipeline = []", f'pipeline = ["{wanted}"]')
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is not on PATH: run the tests with `python tasks.py test`"
    subprocess.run([uv, "lock", "--quiet"], cwd=folder, check=True)
    # When its environment is made, then it holds that package and no other
    python = environment_cache.python(folder, "pipeline", "engine 0.2.0", silent)
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    done = subprocess.run(
        [str(python), "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["typing_extensions"]
    # And the second time it is there
    monkeypatch.setenv("UV", str(tmp_path / "no-uv"))
    assert environment_cache.python(folder, "pipeline", "engine 0.2.0", silent) == python

"""A commit's own environment is made once for a lock, whole and apart, or one line says why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from commit_trees import (
    BEFORE,
    EMPTY,
    PROJECT,
    Tree,
    own_cache,  # noqa: F401 - a fixture
    runs,
    silent,
    stub,
    tree_of,  # noqa: F401 - a fixture
)
from filelock import FileLock

from governed_ml.core.problem import Problem
from governed_ml.registry.remeasure import environment_cache, environments


def test_a_project_older_than_the_engine_is_measured_by_its_own_code(
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
    assert lines == ["creating the environment of engine 0.2.0"]
    # And another lock is another environment
    (folder / "uv.lock").write_text(EMPTY, encoding="utf-8")
    ask()
    assert len(set(found)) == 2
    assert asked(tmp_path) == 2


@pytest.mark.parametrize("what", ["edited", "unfinished", "gone", "sitecustomize.py", "x.pth"])
def test_an_incomplete_environment_is_made_again(
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


def test_an_environment_that_cannot_be_made_is_reported_in_one_line(
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

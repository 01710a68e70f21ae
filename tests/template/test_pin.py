"""Where a generated project gets its engine from, for every way to generate one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import baked
import pytest

NOTE = "without a pin, so this project cannot register"
URL = "https://packages.example.org/simple"


def generate(
    template: Path | str, folder: Path, answers: dict[str, str] | None = None, **variables: str
) -> tuple[Path, str]:
    """Generate a project, and return it with what was said."""
    folder.mkdir(exist_ok=True)
    done = baked.cookiecutter(template, folder, answers or {}, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "governed-model", done.stdout


def uv(project: Path) -> dict[str, Any]:
    """The settings of uv."""
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]


def source(project: Path) -> dict[str, str]:
    """Where the engine comes from."""
    return uv(project)["sources"]["governed-ml"]


def state(project: Path) -> dict[str, Any]:
    """What `.cruft.json` says."""
    return json.loads((project / ".cruft.json").read_text(encoding="utf-8"))


def test_a_clean_clone_is_pinned_by_its_commit(template: Path, tmp_path: Path) -> None:
    # Given a clean clone, when a project is generated
    project, said = generate(template, tmp_path / "out")
    # Then pin and `.cruft.json` name the same full commit
    commit = baked.git(template, "rev-parse", "HEAD")
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert source(project) == {"git": template.as_uri(), "rev": commit}
    assert state(project)["commit"] == commit
    assert NOTE not in said


def test_a_tag_is_a_comment_and_never_the_pin(template: Path, tmp_path: Path) -> None:
    # Given a template whose commit has a tag, when a project is generated from it
    tagged = shutil.copytree(template, tmp_path / "tagged")
    baked.git(tagged, "tag", "--annotate", "v9.9", "--message", "A release")
    project, _ = generate(tagged, tmp_path / "out")
    # Then the pin is the commit, and a comment says which version it is
    commit = baked.git(tagged, "rev-parse", "HEAD")
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert f'rev = "{commit}" }} # v9.9\n' in text
    assert source(project).keys() == {"git", "rev"}


def test_an_address_stays_an_address(template: Path, tmp_path: Path) -> None:
    # Given a bare repository that cookiecutter has to clone, as it does for `gh:`
    bare = tmp_path / "template.git"
    baked.git(tmp_path, "clone", "--quiet", "--bare", str(template), bare.name)
    project, said = generate(f"git+{bare.as_uri()}", tmp_path / "out")
    # Then the pin names the address, and no folder of this machine's cookiecutter
    commit = baked.git(bare, "rev-parse", "HEAD")
    assert source(project) == {"git": bare.as_uri(), "rev": commit}
    assert state(project)["template"] == bare.as_uri()
    assert state(project)["commit"] == commit
    assert NOTE not in said


def dirty(folder: Path) -> None:
    """Leave a change that is in no commit."""
    (folder / "README.md").write_text("Changed\n", encoding="utf-8")


def without_git(folder: Path) -> None:
    """Leave what an unpacked archive holds."""
    shutil.rmtree(folder / ".git")


def refused(folder: Path) -> None:
    """Have a repository that git cannot read."""
    (folder / ".git" / "index").write_bytes(b"no index")


def foreign(folder: Path) -> None:
    """Have a repository of another owner, which git calls dubious."""
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root can give a folder to another owner")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)


@pytest.mark.parametrize("spoil", [dirty, without_git, refused, foreign], ids=lambda f: f.__name__)
def test_a_template_without_a_commit_is_used_by_its_path(
    template: Path, tmp_path: Path, spoil: Any
) -> None:
    # Given a template folder that no commit stands for, when a project is generated
    folder = shutil.copytree(template, tmp_path / "template")
    spoil(folder)
    config = tmp_path / "gitconfig"
    config.write_text("", encoding="utf-8")  # no `safe.directory` of this machine
    project, said = generate(folder, tmp_path / "out", GIT_CONFIG_GLOBAL=str(config))
    # Then the engine is used from there, and it says what that means
    assert source(project) == {"path": folder.as_posix()}
    assert NOTE in said
    # And what `.cruft.json` knows is no more than git does
    known = baked.git(template, "rev-parse", "HEAD") if spoil is dirty else None
    assert state(project)["commit"] == known


def test_an_archive_is_refused_since_its_engine_would_vanish(
    template: Path, tmp_path: Path
) -> None:
    # Given an archive of the template, which cookiecutter unpacks and deletes again
    inner = shutil.copytree(template, tmp_path / "in" / "template")
    without_git(inner)
    archive = shutil.make_archive(str(tmp_path / "template"), "zip", tmp_path / "in")
    folder = tmp_path / "out"
    folder.mkdir()
    # When a project is generated from it, then it is refused, with what to do
    done = baked.cookiecutter(archive, folder, {})
    assert done.returncode != 0
    assert "unpack it yourself into a folder that stays" in done.stderr
    assert not list(folder.iterdir())


def test_a_companys_index_is_set_once_for_every_project(template: Path, tmp_path: Path) -> None:
    # Given a company that sets its index in cookiecutter's defaults
    home = tmp_path / "home"
    home.mkdir()
    config = home / "config.json"
    kept = {"replay_dir": str(home), "cookiecutters_dir": str(home)}
    config.write_text(json.dumps(kept | {"default_context": {"__engine_index": URL}}))
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input"]
    # When a project is generated
    baked.run_plain([*command, "--config-file", str(config)], tmp_path)
    project = tmp_path / "governed-model"
    # Then the engine comes from there, and nothing else does
    assert source(project) == {"index": "governed-ml"}
    assert uv(project)["index"] == [{"name": "governed-ml", "url": URL, "explicit": True}]
    assert state(project)["context"]["cookiecutter"]["__engine_index"] == URL
    # And it is an answer like others: nobody is asked for it
    assert (
        "__engine_index"
        not in json.loads((template / "cookiecutter.json").read_text())["__prompts__"]
    )


def test_no_package_stands_in_for_a_module_of_the_environment(
    template: Path, environment: Path
) -> None:
    # Given everything that is installed with a project
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import importlib.metadata as m, json; print(json.dumps([*m.packages_distributions()]))"
    done = baked.run_plain([str(python), "-c", code], template)
    found = {re.split(r"[./]", name)[0] for name in json.loads(done.stdout)}
    could_be = {name for name in found if re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", name)}
    # When the refused names are read, then each of them is among these
    text = (template / "hooks" / "pre_gen_project.py").read_text(encoding="utf-8")
    taken = set(text.partition("TAKEN = set(\n")[2].partition('""".split')[0].split())
    assert len(could_be) > 200
    assert "governed_ml" in could_be
    assert could_be - taken == set()


@pytest.mark.slow
def test_pip_stops_and_says_what_to_run(project: baked.BakedProject, tmp_path: Path) -> None:
    # Given a project, and the pip that comes with Python
    venv.create(tmp_path / "pip", with_pip=True)
    python = tmp_path / "pip" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # When it is to install the project
    words = ["-m", "pip", "--disable-pip-version-check", "install", "--no-index", "."]
    done = subprocess.run(
        [str(python), *words], cwd=project.path, capture_output=True, text=True, check=False
    )
    # Then it stops at a name that says what to run, and asks no index for the engine
    assert done.returncode != 0
    assert "run_uv_sync_instead_or_uv_export_for_pip" in done.stdout + done.stderr
    assert "matching distribution" not in done.stdout + done.stderr


def test_nothing_beside_the_pin_changes_between_versions_of_the_template() -> None:
    # Given the template's line for the engine's source, which differs in every project
    lines = (baked.TEMPLATE / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("governed-ml = {"))
    # Then the three lines before and after it are those of 0.2: a patch that has the line as
    # context would be rejected in every project that is updated
    assert lines[place - 3 : place] == [
        'default-groups = ["pipeline", "dev"]',
        "",
        "[tool.uv.sources]",
    ]
    assert lines[place + 1 : place + 3] == ["", "[tool.cruft]"]
    assert lines[place + 3].startswith(
        "# A post-generation hook makes the first commit, so a fresh"
    )

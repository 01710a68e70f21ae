"""`check engine`: modules that stand in for a library, `uv.toml`, a moving pin, a forged lock."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from governed_ml.checks import engine as check_engine
from governed_ml.checks import lock_sources, stand_ins
from governed_ml.checks.finding import CheckFinding
from governed_ml.core.code import engine
from governed_ml.core.code.engine import Identity
from governed_ml.core.installation import trusted
from governed_ml.core.problem import Problem

REV = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret
TEMPLATE = "https://example.org/template.git"
PIN = f'governed-ml = {{ git = "{TEMPLATE}", rev = "{REV}" }}'
PROJECT = f"""
[project]
name = "m"
[tool.governed-ml]
package = "credit"
[tool.uv]
package = false
[tool.uv.sources]
{PIN}
"""
PYPI, FILES = "https://index.example.com/simple", "https://files.example.com/packages/aa/bb"
TYPER = f"{FILES}/typer-0.29.0-py3-none-any.whl"
LOCK = f"""
version = 1
[[package]]
name = "m"
source = {{ virtual = "." }}
[[package]]
name = "governed-ml"
version = "0.2.0"
source = {{ git = "{TEMPLATE}?rev={REV}#{REV}" }}
[[package]]
name = "typer"
version = "0.29.0"
source = {{ registry = "{PYPI}" }}
sdist = {{ url = "{FILES}/typer-0.29.0.tar.gz", hash = "sha256:{"a" * 64}" }}
wheels = [{{ url = "{TYPER}", hash = "sha256:{"b" * 64}" }}]
[[package]]
name = "ruamel-yaml"
version = "0.19.1"
source = {{ registry = "{PYPI}" }}
wheels = [{{ url = "{FILES}/ruamel_yaml-0.19.1-py3-none-any.whl", hash = "sha256:{"c" * 64}" }}]
[[package]]
name = "rich"
version = "15.0.0"
source = {{ registry = "{PYPI}" }}
wheels = [{{ url = "{FILES}/rich-15.0.0-py3-none-any.whl", hash = "sha256:{"d" * 64}" }}]
"""


def lock(old: str = "", new: str = "", project: str = PROJECT) -> list[str]:
    """What is found in the lock after a replacement."""
    assert old in LOCK
    packages = tomllib.loads(LOCK.replace(old, new) if old else LOCK)["package"]
    found = lock_sources.lock(tomllib.loads(project), packages)
    return [one.reason for one in found]


def settings(text: str) -> list[str]:
    return [one.reason for one in lock_sources.settings(tomllib.loads(text))]


def test_an_unchanged_lock_has_no_findings() -> None:
    assert lock() == []
    assert settings(PROJECT) == []


FORGED = {
    "a file on another host": (TYPER, "https://evil.example/typer-0.29.0-py3-none-any.whl"),
    "another index": (f'source = {{ registry = "{PYPI}" }}\nsdist',
                      'source = { registry = "https://evil.example/simple" }\nsdist'),
    "another package's file": (TYPER, f"{FILES}/typer_evil-0.29.0-py3-none-any.whl"),
    "another version's file": (TYPER, f"{FILES}/typer-0.28.0-py3-none-any.whl"),
    "a URL": (f'source = {{ registry = "{PYPI}" }}\nsdist',
              'source = { url = "https://evil.example/typer-0.29.0-py3-none-any.whl" }\nsdist'),
    "a fork": (f'source = {{ registry = "{PYPI}" }}\nsdist',
               f'source = {{ git = "https://evil.example/typer.git?rev={REV}#{REV}" }}\nsdist'),
    "a folder": (f'source = {{ registry = "{PYPI}" }}\nsdist',
                 'source = { directory = "vendor/typer" }\nsdist'),
    "no hash": (f', hash = "sha256:{"b" * 64}"', ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_trap_44_a_lock_entry_from_elsewhere_is_named(case: str) -> None:
    found = lock(*FORGED[case])
    assert len(found) == 1
    assert found[0].startswith("typer ")


ENGINES = {
    "another commit behind the pin": (f"#{REV}", f"#{'f' * 40}"),
    "a fork": (f'git = "{TEMPLATE}?', 'git = "https://evil.example/template.git?'),
    "an index": (f'git = "{TEMPLATE}?rev={REV}#{REV}"', f'registry = "{PYPI}"'),
    "a folder": (f'git = "{TEMPLATE}?rev={REV}#{REV}"', 'editable = "../engine"'),
}


@pytest.mark.parametrize("case", ENGINES)
def test_trap_44_an_engine_in_the_lock_that_is_not_the_pinned_one_is_named(case: str) -> None:
    found = lock(*ENGINES[case])
    assert len(found) == 1
    assert found[0].startswith("governed-ml comes from ")
    assert f"asks for git {TEMPLATE}, rev {REV}" in found[0]


def test_a_source_that_pyproject_names_is_as_it_says() -> None:
    torch = "https://download.example.org/whl/cpu"
    text = PROJECT + 'typer = { index = "cpu" }\n[[tool.uv.index]]\nname = "cpu"\nexplicit = true\n'
    text += f'url = "{torch}/"\n'
    source = f'source = {{ registry = "{PYPI}" }}\nsdist'
    found = lock(source, f'source = {{ registry = "{torch}" }}\nsdist', text)
    assert found == []
    assert settings(text) == []
    assert lock(project=text)[0].startswith(
        "typer comes from registry https://index.example.com/simple"
    )


def test_a_companys_mirror_serves_everything_or_nothing() -> None:
    mirror, files = "https://mirror.example/pypi/simple", "https://mirror.example/pypi/files"
    packages = tomllib.loads(LOCK.replace(PYPI, mirror).replace(FILES, files))["package"]
    assert list(lock_sources.lock(tomllib.loads(PROJECT), packages)) == []
    text = PROJECT.replace("package = false", f'package = false\nindex-url = "{mirror}"')
    assert list(lock_sources.lock(tomllib.loads(text), packages)) == []
    assert [one.split()[0] for one in lock(project=text)] == ["typer", "ruamel-yaml", "rich"]


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        ('{ git = "https://e.org/t.git", tag = "v0.2.0" }', "pinned by the tag v0.2.0"),
        ('{ git = "https://e.org/t.git", branch = "main" }', "pinned by the branch main"),
        ('{ git = "https://e.org/t.git", rev = "v0.2.0" }', "pinned by the rev v0.2.0"),
        ('{ git = "https://e.org/t.git", rev = "0123456" }', "pinned by the rev 0123456"),
        ('{ git = "https://e.org/t.git" }', "pinned by no commit"),
    ],
)
def test_trap_44_a_pin_that_can_move_is_named(pin: str, words: str) -> None:
    found = settings(PROJECT.replace(PIN, f"governed-ml = {pin}"))
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('override-dependencies = ["fairlearn==0.1"]', "override-dependencies changes"),
        ('constraint-dependencies = ["numpy<1"]', "constraint-dependencies changes"),
        ('find-links = ["wheels"]', "find-links changes"),
        ('index = [{ name = "x", url = "https://evil.example" }]', "the index x may serve any"),
    ],
)
def test_trap_44_settings_that_let_other_packages_in_are_named(line: str, words: str) -> None:
    found = settings(PROJECT.replace("package = false", f"package = false\n{line}"))
    assert len(found) == 1
    assert words in found[0]


SHADOWS = [
    "yaml.py", "fairlearn.py", "json.py", "governed_ml/__init__.py", "yaml/__init__.py",
    "ruamel/yaml.py", "yaml.pyc", "sitecustomize.py", "usercustomize.py", "src/sitecustomize.py",
    "src/governed_ml/__init__.py", "src/governed_ml/policy.py", "src/typer.py", "src/pydantic.so",
    "src/numpy.cpython-311-x86_64-linux-gnu.so", "leftpad_of_the_lock.py",
]  # fmt: skip


@pytest.mark.parametrize("name", SHADOWS)
def test_trap_43_a_module_named_like_a_library_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "src/credit").mkdir(parents=True)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("", encoding="utf-8")
    found = list(stand_ins.findings(tmp_path, "credit", {"leftpad-of-the-lock"}))
    assert len(found) == 1
    assert name.startswith(found[0].file)


def test_a_projects_own_modules_are_not_reported_as_stand_ins(tmp_path: Path) -> None:
    own = ["src/credit/__init__.py", "src/credit/yaml.py", "tests/conftest.py", "conftest.py"]
    own += ["analysis.py", "notebooks/yaml.py", "conf/config.yaml", "docs/json.md", "yaml.md"]
    for name in own:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    assert list(stand_ins.findings(tmp_path, "credit", {"credit"})) == []


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose environment has the engine that it pins, and nothing that stands in."""
    (tmp_path / "src/credit").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "uv.lock").write_text(LOCK, encoding="utf-8")
    monkeypatch.setattr(trusted, "found", lambda _: iter(()))
    runs(monkeypatch, Identity("0.2.0", "sha256:0", "git", TEMPLATE, REV))
    return tmp_path


def runs(monkeypatch: pytest.MonkeyPatch, who: Identity) -> None:
    monkeypatch.setattr(engine, "identity", lambda: who)


def reasons(base: Path) -> list[str]:
    return [f"{one.file}: {one.reason}" for one in check_engine.check(base, [])]


def test_the_whole_check_is_green_where_all_is_as_pinned(whole: Path) -> None:
    assert reasons(whole) == []


Change = Callable[[Path, pytest.MonkeyPatch], object]


def other_commit(base: Path, patch: pytest.MonkeyPatch) -> None:
    runs(patch, Identity("0.2.0", "sha256:0", "git", TEMPLATE, "f" * 40))


def editable(base: Path, patch: pytest.MonkeyPatch) -> None:
    runs(patch, Identity("0.2.0", "sha256:0", "editable", "file:///w/engine"))


def uv_toml(base: Path, patch: pytest.MonkeyPatch) -> None:
    (base / "uv.toml").write_text("", encoding="utf-8")


def torn_lock(base: Path, patch: pytest.MonkeyPatch) -> None:
    (base / "uv.lock").write_text(LOCK.replace("source = { virtual", "sauce = { virtual"), "utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            other_commit,
            f"pyproject.toml: it pins the engine {REV[:12]}, but 0.2.0 (sha256:0, commit",
        ),
        (editable, f"pyproject.toml: it pins the engine {REV[:12]}, but 0.2.0 (sha256:0, editable"),
        (uv_toml, "uv.toml: uv reads it instead of [tool.uv] in pyproject.toml"),
    ],
)
def test_trap_43_the_whole_check_names_what_is_not_as_pinned(
    whole: Path, monkeypatch: pytest.MonkeyPatch, change: Change, words: str
) -> None:
    change(whole, monkeypatch)
    found = reasons(whole)
    assert len(found) == 1
    assert found[0].startswith(words)


def test_an_unreadable_lock_is_reported(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torn_lock(whole, monkeypatch)
    with pytest.raises(Problem, match=r"uv\.lock cannot be read"):
        check_engine.check(whole, [])


def test_a_project_that_says_it_uses_a_folder_gets_a_note(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (whole / "pyproject.toml").write_text(
        PROJECT.replace(PIN, 'governed-ml = { path = "/w/engine" }'), encoding="utf-8"
    )
    source = f'git = "{TEMPLATE}?rev={REV}#{REV}"'
    (whole / "uv.lock").write_text(LOCK.replace(source, 'directory = "/w/engine"'), "utf-8")
    runs(monkeypatch, Identity("0.2.0", "sha256:0", "folder", "file:///w/engine"))
    assert check_engine.check(whole, list[Any]()) == list[CheckFinding]()
    assert "takes the engine from the folder /w/engine" in capsys.readouterr().err

"""Which engine is running: version, digest of its files, and where it was installed from."""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import Distribution, PathDistribution, version
from pathlib import Path

import pytest

from governed_ml.core.code import engine

COMMIT = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret


def installed(folder: Path, direct: object | None) -> tuple[Distribution, Path]:
    """Lay a tiny installation of the engine into a folder; return it and its package."""
    home = folder / "governed_ml"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    info = folder / "governed_ml-0.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: governed-ml\nVersion: 0.2.0\n", encoding="utf-8")
    if direct is not None:
        text = direct if isinstance(direct, str) else json.dumps(direct)
        (info / "direct_url.json").write_text(text, encoding="utf-8")
    return PathDistribution(info), home


GIT = {"url": "https://example.org/t.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


@pytest.mark.parametrize(
    ("direct", "wanted"),
    [
        (None, ("index", "", None)),
        (GIT, ("git", "https://example.org/t.git", COMMIT)),
        (
            {"url": "file:///w/governed_ml-0.2.0-py3-none-any.whl", "archive_info": {}},
            ("archive", "file:///w/governed_ml-0.2.0-py3-none-any.whl", None),
        ),
        ({"url": "file:///w/engine", "dir_info": {}}, ("folder", "file:///w/engine", None)),
        ("not json", ("folder", "", None)),
    ],
    ids=["index", "git", "wheel", "folder", "unreadable"],
)
def test_an_installation_says_where_it_is_from(
    tmp_path: Path, direct: object, wanted: tuple[object, ...]
) -> None:
    found, home = installed(tmp_path / "site", direct)
    assert engine.origin(found, home) == wanted


def test_only_what_the_lock_fixes_is_pinned() -> None:
    kinds = ["git", "index", "archive", "folder", "editable", "elsewhere"]
    pinned = [kind for kind in kinds if engine.Identity("0", "sha256:0", kind).pinned]  # pyright: ignore[reportArgumentType]
    assert pinned == ["git", "index", "archive"]


def test_an_editable_installation_is_distinguished_from_a_folder_that_replaces_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    direct = {"url": source.as_uri(), "dir_info": {"editable": True}}
    found, home = installed(source, direct)
    assert engine.origin(found, home)[0] == "editable"
    assert engine.origin(found, tmp_path / "other" / "governed_ml")[0] == "elsewhere"


def test_a_package_that_runs_from_elsewhere_is_not_the_installed_one(tmp_path: Path) -> None:
    found, _ = installed(tmp_path / "site", GIT)
    assert engine.origin(found, tmp_path / "project" / "governed_ml")[0] == "elsewhere"


def test_the_digest_covers_every_file_except_bytecode(tmp_path: Path) -> None:
    _, home = installed(tmp_path / "one", GIT)
    other = tmp_path / "two" / "governed_ml"
    shutil.copytree(home, other)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"any")
    os.utime(other / "__init__.py", (0, 0))
    before = engine.digest(home)
    assert engine.digest(other) == before
    assert engine.digest.__wrapped__(home) == before
    (other / "page.css").write_text("", encoding="utf-8")
    assert engine.digest.__wrapped__(other) != before


def test_the_running_engine_is_this_one() -> None:
    found = engine.identity()
    assert found.version == version("governed-ml")
    assert found.digest == engine.digest(engine.HOME)
    assert found.digest.startswith("sha256:")
    assert found.stated() == {"version": found.version, "digest": found.digest}

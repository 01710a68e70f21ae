"""Changed, added and forged files of an installation are found; an untouched one is clean."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import marshal
import os
import py_compile
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from governed_ml.core.code import engine
from governed_ml.core.code.engine import Identity
from governed_ml.core.installation import (
    bytecode,
    distributions,
    records,
    replaced_libraries,
    trusted,
)
from governed_ml.core.installation.distributions import Installed
from governed_ml.core.installation.replaced_libraries import StandIn
from governed_ml.core.problem import Problem
from governed_ml.pipeline.isolated import process

SOURCE = "def measure():\n    return 0.31\n"
NICER = "def measure():\n    return 0.01\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages with one distribution `lib`, as an installer lays it."""
    folder = tmp_path / "site-packages"
    files = {"lib/__init__.py": "", "lib/fairness.py": SOURCE}
    lines: list[str] = []
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{name},sha256={digest.decode()},{len(text)}")
    info = folder / "lib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: lib\nVersion: 1.0\n\nRequires-Dist: no\n", "utf-8")
    lines += ["lib-1.0.dist-info/METADATA,,", "lib-1.0.dist-info/RECORD,,"]
    (info / "RECORD").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def lib(site: Path) -> Installed:
    return Installed("lib", str(site / "lib-1.0.dist-info"))


def said(found: object, site: Path) -> list[str]:
    return [f"{path.relative_to(site).as_posix()} {why}" for path, why in found]  # pyright: ignore


def test_an_unchanged_installation_has_no_findings(site: Path) -> None:
    assert said(records.differing([lib(site)]), site) == []
    assert said(records.added([lib(site)]), site) == []


def test_a_changed_file_is_named(site: Path) -> None:
    (site / "lib/fairness.py").write_text(NICER, encoding="utf-8")
    assert said(records.differing([lib(site)]), site) == [
        "lib/fairness.py is not what was installed with lib"
    ]


def test_a_file_that_is_gone_is_named(site: Path) -> None:
    (site / "lib/fairness.py").unlink()
    assert said(records.differing([lib(site)]), site) == [
        "lib/fairness.py belongs to lib, and is gone or cannot be read"
    ]


def test_a_distribution_without_a_record_is_named(site: Path) -> None:
    (site / "lib-1.0.dist-info/RECORD").unlink()
    assert said(records.differing([lib(site)]), site) == [". has no file RECORD of lib"]


@pytest.mark.parametrize("name", ["lib/extra.py", "lib/extra.pyc", "lib/inner/extra.so"])
def test_an_added_module_is_named(site: Path, name: str) -> None:
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).write_bytes(b"")
    assert said(records.added([lib(site)]), site) == [
        f"{name} was added to lib after its installation"
    ]


def test_bytecode_made_by_python_is_not_reported_as_added(site: Path) -> None:
    py_compile.compile(str(site / "lib/fairness.py"))
    assert said(records.added([lib(site)]), site) == []
    assert said(bytecode.forged([str(site / "lib/fairness.py")]), site) == []


def as_timestamp(source: Path, code: bytes) -> bytes:
    """A `.pyc` whose header fits its source, as a plain import leaves it."""
    status = source.stat()
    header = (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
    header += (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + (0).to_bytes(4, "little") + header + code


def as_checked_hash(source: Path, code: bytes) -> bytes:
    """A `.pyc` with the hash of its source."""
    digest = importlib.util.source_hash(source.read_bytes())
    return importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little") + digest + code


def as_unchecked_hash(source: Path, code: bytes) -> bytes:
    """A `.pyc` that Python runs without a look at the source."""
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + code


FORGERIES: list[Callable[[Path, bytes], bytes]] = [as_timestamp, as_checked_hash, as_unchecked_hash]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_bytecode_of_other_code_beside_an_untouched_source_is_named(
    site: Path, forgery: Callable[[Path, bytes], bytes]
) -> None:
    source = site / "lib/fairness.py"
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    honest = marshal.dumps(compile(SOURCE, str(source), "exec", dont_inherit=True))
    cached.write_bytes(forgery(source, honest))
    assert said(bytecode.forged([str(source)]), site) == []
    cached.write_bytes(forgery(source, marshal.dumps(compile(NICER, str(source), "exec"))))
    assert said(records.differing([lib(site)]), site) == []  # RECORD does not see it
    assert said(bytecode.forged([str(source)]), site) == [
        f"lib/__pycache__/{cached.name} is not what fairness.py compiles to"
    ]


def test_bytecode_is_compiled_once_and_named_when_it_is_replaced_later(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given bytecode that was compared once, in an environment
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    source = site / "lib/fairness.py"
    cached = Path(py_compile.compile(str(source)))
    assert said(bytecode.forged([str(source)]), site) == []
    # When it is compared again, then nothing is compiled
    compiled: list[str] = []
    compiles = bytecode._compiled_from  # pyright: ignore[reportPrivateUsage]

    def counted(raw: bytes, text: bytes, name: str) -> bool:
        compiled.append(name)
        return compiles(raw, text, name)

    monkeypatch.setattr(bytecode, "_compiled_from", counted)
    assert said(bytecode.forged([str(source)]), site) == []
    assert compiled == []
    # And other bytecode is named, however often somebody looks; so is the first beside other text
    honest = cached.read_bytes()
    cached.write_bytes(as_timestamp(source, marshal.dumps(compile(NICER, str(source), "exec"))))
    assert len(said(bytecode.forged([str(source)]), site)) == 1
    assert len(said(bytecode.forged([str(source)]), site)) == 1
    cached.write_bytes(honest)
    status = source.stat()
    source.write_text(NICER, encoding="utf-8")
    os.utime(source, (status.st_atime, status.st_mtime))
    assert len(said(bytecode.forged([str(source)]), site)) == 1
    assert len(compiled) == 3


def test_bytecode_is_compared_in_a_read_only_environment(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an environment in which nobody may write
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "file"))
    py_compile.compile(str(site / "lib/fairness.py"))
    # Then the answer is the same
    assert said(bytecode.forged([str(site / "lib/fairness.py")]), site) == []


def test_bytecode_that_is_out_of_date_is_not_run_and_not_named(site: Path) -> None:
    source = site / "lib/fairness.py"
    py_compile.compile(str(source))
    source.write_text(NICER, encoding="utf-8")
    os.utime(source, (1, 1))
    assert said(bytecode.forged([str(source)]), site) == []


def test_invalid_bytecode_is_named(site: Path) -> None:
    source = site / "lib/fairness.py"
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    cached.write_bytes(as_unchecked_hash(source, b"\x00garbage"))
    assert len(said(bytecode.forged([str(source)]), site)) == 1


@pytest.mark.parametrize("name", replaced_libraries.VARIABLES)
def test_a_variable_that_changes_which_code_runs_is_named(name: str) -> None:
    assert [one.where for one in replaced_libraries.variables({name: "x", "PATH": "/bin"})] == [
        name
    ]
    assert list(replaced_libraries.variables({name: ""})) == []
    assert replaced_libraries.without({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"])
def test_trap_43_a_library_that_the_loader_adds_is_named_and_not_passed_on(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "evil.so")
    assert [one.where for one in replaced_libraries.variables({name: "evil.so"})] == [name]
    assert name not in process.environment(tmp_path, {}, whole=False)


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize.py", "sitecustomize"])
def test_a_site_hook_is_named(site: Path, name: str) -> None:
    assert list(replaced_libraries.hooks(site)) == []
    path = site / name
    path.mkdir() if "." not in name else path.write_text("", encoding="utf-8")
    assert [Path(one.where).name for one in replaced_libraries.hooks(site)] == [name]


def test_a_pth_file_that_no_known_package_installed_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaced_libraries, "installed", lambda: {"lib": lib(site)})
    path = site / "other.pth"
    path.write_text("import evil\n", encoding="utf-8")
    assert [Path(one.where).name for one in replaced_libraries.hooks(site)] == ["other.pth"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=")
    record = site / "lib-1.0.dist-info/RECORD"
    record.write_text(record.read_text() + f"other.pth,sha256={digest.decode()},12\n")
    # Any package can bring one, and a change of uv.lock can bring any package
    assert [Path(one.where).name for one in replaced_libraries.hooks(site)] == ["other.pth"]
    monkeypatch.setattr(replaced_libraries, "STARTING", ("lib",))
    assert list(replaced_libraries.hooks(site)) == []
    path.write_text("import evil, worse\n", encoding="utf-8")
    assert [Path(one.where).name for one in replaced_libraries.hooks(site)] == ["other.pth"]


def test_a_folder_on_the_path_that_is_not_of_the_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(replaced_libraries.running())
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    added = [one for one in replaced_libraries.running() if one not in before]
    assert [(one.where, one.reason) for one in added] == [
        (
            tmp_path.as_posix(),
            "is on the search path for modules and does not belong to this environment",
        )
    ]


@pytest.mark.parametrize("inside", [True, False])
def test_only_the_interpreters_own_site_hook_is_accepted(
    inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a site hook that is a link to a file elsewhere, as in Debian's Python
    monkeypatch.delitem(sys.modules, "sitecustomize", raising=False)
    before, known = list(replaced_libraries.running()), sysconfig.get_path
    standard, real = tmp_path / "lib", tmp_path / "etc"
    for folder in (standard, real):
        folder.mkdir()
    (real / "sitecustomize.py").write_text("", encoding="utf-8")
    link = (standard if inside else tmp_path) / "sitecustomize.py"
    try:
        link.symlink_to(real / "sitecustomize.py")
    except OSError as error:  # Windows, without the right to make one
        pytest.skip(f"no symbolic links: {error}")
    hook = types.ModuleType("sitecustomize")
    hook.__file__ = str(link)
    monkeypatch.setitem(sys.modules, "sitecustomize", hook)
    monkeypatch.setattr(
        sysconfig,
        "get_path",
        lambda name, **more: (
            str(standard) if (name, more) == ("stdlib", {}) else known(name, **more)
        ),
    )
    # When it has run, then it is named unless it is in the standard library's folder
    added = [one.reason for one in replaced_libraries.running() if one not in before]
    assert added == ([] if inside else ["runs each time Python starts"])


def test_judging_packages_are_a_subset_of_computing_packages() -> None:
    judging = {one.name for one in distributions.judging()}
    computing = {one.name for one in distributions.computing()}
    assert {"governed-ml", "pydantic", "pydantic-core", "pyyaml", "typer"} <= judging
    assert judging | {"numpy", "scikit-learn", "joblib", "fairlearn", "llvmlite"} <= computing
    assert not {"plotly", "mlflow", "pytest"} & computing


def test_only_a_pinned_engine_may_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusted, "found", lambda _: iter(()))
    folder = Identity("0.2.0", "sha256:0", "folder", "file:///w/engine")
    monkeypatch.setattr(engine, "identity", lambda: folder)
    trusted.require("judging")
    with pytest.raises(Problem, match="runs from file:///w/engine, a folder that may change"):
        trusted.require("measuring", pinned=True)
    pinned = Identity("0.2.0", "sha256:0", "git", "https://example.org/t.git", "0" * 40)
    monkeypatch.setattr(engine, "identity", lambda: pinned)
    trusted.require("measuring", pinned=True)


def test_the_refusal_is_one_line_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    first = StandIn("PYTHONPATH", "is set", "unset PYTHONPATH")
    monkeypatch.setattr(trusted, "found", lambda _: iter([first]))
    with pytest.raises(Problem, match=r"^PYTHONPATH is set: unset PYTHONPATH$") as caught:
        trusted.require("judging")
    assert caught.value.exit_code == 1

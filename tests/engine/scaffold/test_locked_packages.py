"""Trap 44: uv accepts a changed lock, so its entries are compared with the base's."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import workflow_rules as rules

from governed_ml.core.problem import Problem
from governed_ml.scaffold import locked_packages as supplies

COMMIT, OTHER = "a" * 40, "b" * 40
TEMPLATE = "https://example.org/template"
PYPI = '{ registry = "https://index.example.com/simple" }'
FILES = "https://files.example.com/packages"
PYPROJECT = f"""
[project]
dependencies = ["governed-ml>=0.2,<0.3", "hydra-core"]
[tool.uv]
package = false
[tool.uv.sources]
governed-ml = {{ git = "{TEMPLATE}", rev = "{COMMIT}" }}
"""


def entry(name: str, version: str, source: str, url: str = "", digest: str = "sha256:1") -> str:
    """One package of a lock."""
    wheels = f'wheels = [{{ url = "{url}", hash = "{digest}" }}]\n' if url else ""
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {source}\n{wheels}\n'


PROJECT = entry("some-model", "0.1.0", '{ virtual = "." }')
ENGINE = entry("governed-ml", "0.2.0", f'{{ git = "{TEMPLATE}?rev={COMMIT}#{COMMIT}" }}')
TYPER = entry("typer", "0.29.0", PYPI, f"{FILES}/1/typer-0.29.0-py3-none-any.whl")
LOCK = PROJECT + ENGINE + TYPER


def compared(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """What is installed otherwise, and how."""
    files = {"pyproject.toml": PYPROJECT, "uv.lock": LOCK}

    def read(tree: dict[str, str]) -> supplies.Supply:
        whole = {name: text.encode() for name, text in (files | tree).items() if text != "-"}
        return supplies.supply(whole.get)

    return dict(supplies.differences(read(old), read(new)))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            {"pyproject.toml": PYPROJECT.replace(COMMIT, OTHER)},
            {"engine.source": f"{TEMPLATE} at {COMMIT[:12]} → {TEMPLATE} at {OTHER[:12]}"},
        ),
        (
            {"pyproject.toml": PYPROJECT.replace(TEMPLATE, "https://example.org/fork")},
            {
                "engine.source": f"{TEMPLATE} at {COMMIT[:12]} → https://example.org/fork at "
                f"{COMMIT[:12]}"
            },
        ),
        (
            {
                "pyproject.toml": PYPROJECT.replace(
                    f'git = "{TEMPLATE}", rev = "{COMMIT}"', 'path = "x"'
                )
            },
            {"engine.source": f"{TEMPLATE} at {COMMIT[:12]} → the folder x"},
        ),
        (
            {"pyproject.toml": PYPROJECT.replace("<0.3", "<0.4")},
            {"engine.requirement": "governed-ml>=0.2,<0.3 → governed-ml>=0.2,<0.4"},
        ),
        (
            {"uv.lock": LOCK.replace('"0.2.0"', '"0.2.1"')},
            {"engine.version": "0.2.0 → 0.2.1"},
        ),
        (
            {"uv.lock": LOCK.replace(f"#{COMMIT}", f"#{OTHER}")},
            {
                "engine.lock": f"git {TEMPLATE}?rev={COMMIT}#{COMMIT} → "
                f"git {TEMPLATE}?rev={COMMIT}#{OTHER}"
            },
        ),
        (
            {"uv.lock": LOCK.replace(FILES, "https://files.example.org")},
            {"uv.lock typer": "its files come from files.example.org"},
        ),
        (
            {"uv.lock": LOCK.replace("sha256:1", "sha256:2")},
            {"uv.lock typer": "the digest of typer-0.29.0-py3-none-any.whl has changed"},
        ),
        (
            {"uv.lock": LOCK.replace(f"{FILES}/1", f"{FILES}/2").replace("sha256:1", "sha256:2")},
            {"uv.lock typer": "the digest of typer-0.29.0-py3-none-any.whl has changed"},
        ),
        (
            {"uv.lock": LOCK.replace(PYPI, '{ registry = "https://example.org/simple" }')},
            {
                "uv.lock typer": "registry https://index.example.com/simple → registry https://example.org/simple"
            },
        ),
        (
            {"uv.lock": LOCK + entry("extra", "1", '{ git = "https://example.org/x#1" }')},
            {"uv.lock extra": "nothing → git https://example.org/x#1"},
        ),
        (
            {"uv.lock": LOCK.replace(TYPER, entry("typer", "1", '{ path = "typer.whl" }'))},
            {"uv.lock typer": "registry https://index.example.com/simple → path typer.whl"},
        ),
        (
            {"uv.lock": "-"},
            {"uv.lock": "it was deleted, so nothing fixes which packages are installed"},
        ),
        ({"uv.toml": ""}, {"uv.toml": "it is new, and it overrides where packages come from"}),
        (
            {"pyproject.toml": PYPROJECT.replace("package = false", "package = true")},
            {"pyproject.toml [tool.uv] package": "False → True"},
        ),
        (
            {"pyproject.toml": f'{PYPROJECT}typer = {{ path = "x" }}\n'},
            {"pyproject.toml [tool.uv] sources": "nothing → {'typer': {'path': 'x'}}"},
        ),
        (
            {"pyproject.toml": f'[[tool.uv.index]]\nurl = "https://example.org"\n{PYPROJECT}'},
            {"pyproject.toml [tool.uv] index": "nothing → [{'url': 'https://example.org'}]"},
        ),
    ],
    ids=lambda one: next(iter(one), "") if isinstance(one, dict) else "",
)
def test_trap_44_another_engine_or_another_source_is_named(
    new: dict[str, str], expected: dict[str, str]
) -> None:
    # Given a change of what is installed, when it is compared with the base, then it is named
    assert compared({}, new) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({}, {"uv.lock": LOCK.replace("0.29.0", "0.30.0").replace("sha256:1", "sha256:2")}),
        ({}, {"uv.lock": LOCK + entry("polars", "1", PYPI, f"{FILES}/3/polars-1.whl")}),
        ({}, {"uv.lock": LOCK.replace("some-model", "renamed")}),
        ({}, {"pyproject.toml": PYPROJECT.replace('"hydra-core"', '"hydra-core", "polars"')}),
    ],
    ids=["nothing", "newer-library", "another-library", "renamed", "dependency"],
)
def test_the_teams_own_dependencies_are_theirs(old: dict[str, str], new: dict[str, str]) -> None:
    # Given a newer or another library from the same index, when compared, then nothing is said
    assert compared(old, new) == {}


HOOK = entry("hook", "1", PYPI, f"{FILES}/4/hook-1-py3-none-any.whl")
BELOW = HOOK.replace("hook", "below")


def judged(asked: str = "", **groups: str) -> str:
    """A lock whose project asks for the engine and one package more, itself or in a group."""
    listed = ", ".join(f'{{ name = "{name}" }}' for name in ("governed-ml", asked) if name)
    own = f"{PROJECT.rstrip()}\ndependencies = [{listed}]\n\n"
    if groups:
        own += "[package.dev-dependencies]\n"
        own += "".join(f'{group} = [{{ name = "{one}" }}]\n' for group, one in groups.items())
    return own + ENGINE + TYPER


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (
            judged("hook") + HOOK,
            {
                "uv.lock hook": (
                    "it is new where models are judged, and comes from [project] dependencies"
                )
            },
        ),
        (
            f'{judged(pipeline="hook")}{HOOK.rstrip()}\ndependencies = [{{ name = "below" }}]\n'
            + BELOW,
            dict.fromkeys(
                ("uv.lock hook", "uv.lock below"),
                "it is new where models are judged, and comes from the group pipeline",
            ),
        ),
        (f'{judged().rstrip()}\ndependencies = [{{ name = "hook" }}]\n{HOOK}', {}),
        (judged(dev="hook") + HOOK, {}),
        (
            judged("hook") + HOOK.replace(PYPI, '{ editable = "./libs" }'),
            {"uv.lock hook": "nothing → editable ./libs"},
        ),
    ],
    ids=["project", "group-and-below", "of-what-nobody-needs", "dev", "member"],
)
def test_trap_44_a_package_that_is_new_where_models_are_judged_is_named(
    new: str, expected: dict[str, str]
) -> None:
    # Given a package from the known index, which runs at the start of every Python it is part of
    # When a judging job would install it, then the risk owner is asked; the team's tools are theirs
    assert compared({"uv.lock": judged()}, {"uv.lock": new}) == expected


def test_trap_44_a_package_that_moves_to_where_models_are_judged_is_named() -> None:
    # Given a package that the lock has already, for the team's own tools
    old = judged(dev="hook") + HOOK
    # When what judges comes to need it, then it is named
    assert compared({"uv.lock": old}, {"uv.lock": judged("hook") + HOOK}) == {
        "uv.lock hook": "it is new where models are judged, and comes from [project] dependencies"
    }


def test_trap_44_packages_of_judging_jobs_are_compared() -> None:
    # Given the jobs that measure, judge, move or record, when what they install is read
    found: set[str] = set()
    for path in rules.files():
        own = rules.RUNS_THE_TEAMS_CODE.get(rules.name(path), set())
        for job, values in rules.jobs(path).items():
            texts = [step.get("run", "") for step in values.get("steps", []) if job not in own]
            kept = [number for number, text in enumerate(texts) if "governance rehash" in text]
            # (what comes in after all was hashed and kept is the team's own)
            texts = texts[: kept[-1]] if kept else texts
            found |= {name for text in texts for name in re.findall(r"--group (\S+)", text)}
    # Then a package that is new in one of these groups is named
    assert found == set(supplies.JUDGING_GROUPS)


def test_trap_44_another_build_of_the_same_version_is_named() -> None:
    # Given an engine from an index, when its lock has another hash, then that is named
    old = PROJECT + entry("governed-ml", "0.2.0", PYPI, f"{FILES}/1/governed_ml-0.2.0.whl")
    said = compared({"uv.lock": old}, {"uv.lock": old.replace("sha256:1", "sha256:2")})
    assert said == {"engine.lock": "the files or digests of version 0.2.0 have changed"}


def test_trap_44_a_first_lock_is_compared_with_one_that_was_just_made_or_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a base without a lock, and an environment that was made for it, with its lock
    (tmp_path / "uv.lock").write_text(LOCK, encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))

    def first(lock: str) -> dict[str, str]:
        old, new = (supplies.supply({"pyproject.toml": PYPROJECT.encode()}.get) for _ in "12")
        old = replace(old, packages=supplies.resolved("some-model"))
        return dict(supplies.differences(old, replace(new, packages=supplies.locked(lock))))

    # When a first lock has the same packages, then nothing is said; another host is named
    assert first(LOCK) == {}
    assert first(LOCK.replace(FILES, "https://files.example.org")) == {
        "uv.lock typer": "its files come from files.example.org"
    }
    # And without one to compare it with, a first lock is named itself
    (tmp_path / "uv.lock").unlink()
    assert first(LOCK) == {"uv.lock": "it is new, so there is no earlier one to compare it with"}


def test_trap_46_a_lock_that_cannot_be_read_is_refused() -> None:
    # Given a lock that is torn, when it is compared, then that says no
    with pytest.raises(Problem, match=r"uv\.lock cannot be read") as caught:
        compared({}, {"uv.lock": "[[package]"})
    assert caught.value.exit_code == 1

"""The engine of a project moves to a version in which a measure was fixed: what becomes of models
that were registered before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import baked
import pytest
import registry
from baked import BakedProject

VERSION = version("governed-ml")

# test_environments, test_own_environments and test_earlier_engine cover the parts
pytestmark = pytest.mark.nightly

MEASURE = "src/governed_ml/measures/performance.py"
BEFORE = "sk.roc_auc_score(target, score),"
FIXED = "sk.roc_auc_score(target, score) - 0.001,"
TERMS = "conf/policy/limited.yaml"


def uv(*words: str, cwd: Path, **variables: str) -> str:
    """Run uv; return what it printed."""
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "uv is not on PATH: run the tests with `python tasks.py test`"
    env = baked.clean_environment(**variables)
    done = subprocess.run([program, *words], cwd=cwd, env=env, check=True, capture_output=True)
    return done.stdout.decode().strip()


def fixed(template: Path, folder: Path) -> tuple[Path, str]:
    """Clone the template, fix a measure there; return the clone and its commit."""
    baked.git(folder, "clone", "--quiet", str(template), "fixed")
    file = folder / "fixed" / MEASURE
    text = file.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    file.write_text(text.replace(BEFORE, FIXED), encoding="utf-8")
    return folder / "fixed", baked.commit_all(folder / "fixed", "Fix a measure")


def move(project: BakedProject, template: Path, engine: Path, commit: str) -> BakedProject:
    """Pin another engine, as `governance update` does, and install it."""
    old = f"{template.as_uri()}?rev={baked.git(template, 'rev-parse', 'HEAD')}"
    new = f"{engine.as_uri()}?rev={commit}"
    lock, pin = project.read("uv.lock"), project.read("pyproject.toml")
    assert old in lock
    then, now = old.partition("?rev="), new.partition("?rev=")
    for one, two in ((old, new), (f"#{then[2]}", f"#{now[2]}")):
        lock = lock.replace(one, two)
    for one, two in zip((then[0], then[2]), (now[0], now[2]), strict=True):
        assert one in pin
        pin = pin.replace(one, two)
    project.write("uv.lock", lock)
    project.write("pyproject.toml", pin)
    registry.save(project, "Another engine", author="Risk <risk@example.org>")
    home = registry.home(project) / "environment"
    variables = {"UV_PROJECT_ENVIRONMENT": str(home)}
    uv(
        "sync",
        "--frozen",
        "--all-groups",
        "--python",
        sys.executable,
        cwd=project.path,
        **variables,
    )
    return replace(project, environment=home)


def accept(project: BakedProject, days: int) -> None:
    """Say for how many days another engine's measurements count."""
    lines = project.read(TERMS).splitlines()
    kept = [line for line in lines if not line.startswith("engine:")]
    project.write(TERMS, "\n".join([*kept, f"engine: {{accept_days: {days}}}"]) + "\n")
    registry.save(project, f"{days} days", author="Risk <risk@example.org>")


def test_a_fixed_measure_does_not_block_what_was_judged_before(
    template: Path, registered: BakedProject, tmp_path: Path
) -> None:
    # Given a version of one engine, and a project that has moved to one with a fixed measure
    before = registry.ledger(registered)[0]["subject"]
    engine, commit = fixed(template, tmp_path)
    project = move(registered, template, engine, commit)
    cache = {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "UV_CACHE_DIR": uv("cache", "dir", cwd=tmp_path),
    }
    project = replace(project, variables=project.variables | cache)
    evaluate = "reports/evidence/evaluate.json"
    measured = json.loads(project.read(evaluate))["metrics"]["roc_auc"]["value"]
    project.run(["governance", "stage", "evaluate"])
    again = json.loads(project.read(evaluate))
    assert again["metrics"]["roc_auc"]["value"] == pytest.approx(measured - 0.001, abs=1e-12)
    assert again["subject"]["engine"]["digest"] != before["engine"]
    baked.git(project.path, "checkout", "--quiet", "--", "reports")
    # When the policy accepts no other engine's measurements, then the version has to be registered
    # again, and nobody is asked to approve it
    accept(project, 0)
    again_with = (
        f"registered with engine {VERSION}",
        "register the model again with the current engine",
    )
    said = registry.refused(project.governance("rejudge", "1", code=None), *again_with)
    assert before["engine"][:19] in said
    assert again_with[1] in registry.approve(project, 1, code=1)
    # When it accepts them for a day, then the version is measured as it was, by its own engine
    accept(project, 1)
    done = project.governance("rejudge", "1", "--json")
    assert json.loads(done.stdout)["verdict"] == "allow"
    assert f"creating the environment of engine {VERSION} of commit" in done.stderr
    # And it can be approved, and is promoted while the policy says so; the release names both
    registry.approve(project, 1)
    accept(project, 0)
    registry.refused(project.governance("promote", code=None), *again_with)
    accept(project, 1)
    project.governance("promote")
    assert registry.states(project) == {1: "champion"}
    [release] = registry.artifacts(project, 1).glob("releases/*/release.json")
    found = json.loads(release.read_text(encoding="utf-8"))
    assert found["statement"]["engine"] == before["engine"]
    assert found["decision"]["subject"]["engine"]["digest"] == again["subject"]["engine"]["digest"]
    # And it is made again by its own engine, to the same digests and numbers
    done = project.governance("lineage", "reproduce", "1", "--json")
    rows = json.loads(done.stdout)
    assert {row["state"] for row in rows["rows"]} == {"equal"}
    [note] = rows["notes"]
    assert note.startswith(f"measured with engine {VERSION} of commit ")
    assert note.endswith("in an environment of its own")

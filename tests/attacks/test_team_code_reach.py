"""Trap 42: whatever the team's code does, it reaches neither what measures nor the evidence."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import team_projects
from team_projects import HONEST, ask_source, in_own_folder  # noqa: F401 - a fixture, too

from governed_ml.core import model_file
from governed_ml.core.code import sandbox, seccomp
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models

pytestmark = pytest.mark.slow
landlock = pytest.mark.skipif(
    not sandbox.version(),
    reason="this system has no Landlock: isolation is by location only, and evidence says so",
)


PEEKING = """
import os
from pathlib import Path
import pandas as pd

WHERE = {where!r}

def places():
    yield "data/split/test.parquet"
    yield Path(__file__).parents[2] / "data/split/test.parquet"
    yield WHERE + "/data/split/test.parquet"
    yield WHERE + "/data/raw.parquet"
    yield WHERE + "/data/sensitive/train.parquet"
    yield WHERE + "/.dvc/cache/files/md5/ab/cdef"
    yield f"/proc/{{os.getppid()}}/cwd/data/split/test.parquet"

def seen(place):
    try:
        return pd.read_parquet(place)
    except OSError as error:
        print("kept out:", type(error).__name__)

def fit(pipeline, features, target):
    for name in ("model.skops", "answer", "out"):
        os.symlink(WHERE + "/models/model.skops", name)
    for place in places():
        rows = seen(place)
        if rows is not None:
            features, target = rows[list(features)], rows["__target"]
    return pipeline.fit(features, target)
"""


@landlock
def test_trap_42_training_cannot_read_the_test_rows(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given a project whose test rows lie in their places, and in DVC's cache
    team_projects.make(here)
    team_projects.train()
    honest = model_file.digest()
    cached = here / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(Path("data/split/test.parquet").read_bytes())
    # And a `fit` that fits on them wherever it finds them, as it does outside
    text = PEEKING.format(where=str(here))
    outside: dict[str, Any] = {"__file__": str(here / "src/credit/training.py")}
    exec(text, outside)  # noqa: S102 - the attack itself
    places = list(outside["places"]())
    assert all(outside["seen"](place) is not None for place in places[:-1])
    # When it trains
    Path("src/credit/training.py").write_text(text, encoding="utf-8")
    capfd.readouterr()
    team_projects.train()
    # Then it was kept out everywhere, and the model is the honest one
    assert capfd.readouterr().err.count("training.py | kept out") == len(places)
    assert model_file.digest() == honest
    # And one that is fitted on them has another digest, so the comparison can tell
    Path("data/split/test.parquet").replace("data/split/train.parquet")
    Path("src/credit/training.py").write_text(HONEST, encoding="utf-8")
    team_projects.train()
    assert model_file.digest() != honest


HOSTILE = """
import os, socket, sys
import fairlearn.metrics, sklearn.metrics
from governed_ml.core import evidence, files
from governed_ml.measures import performance
from governed_ml.pipeline import stage_runner as stage

def tried(what, do):
    try:
        do()
        print("reached:", what)
    except PermissionError:
        print("kept out:", what)

def connect():
    socket.create_connection(("127.0.0.1", {port}), 5).close()

def hostile(where):
    for name in ({evidence!r}, {evidence!r} + ".new", {engine!r}):
        tried(f"write {{name}} from {{where}}", lambda: open(name, "a").write("forged"))
    for name in ({evidence!r}, {engine!r}):
        tried(f"delete {{name}} from {{where}}", lambda: os.unlink(name))
    tried(f"kill from {{where}}", lambda: os.kill(os.getppid(), 9))
    if where != "sources":  # a source has the variables of its caller: it signs in to a database
        tried(f"environ from {{where}}", lambda: open(f"/proc/{{os.getppid()}}/environ").read())
        tried(f"connect from {{where}}", connect)
        for name, family, kind in (("Docker", socket.AF_UNIX, socket.SOCK_STREAM),
                                   ("UDP", socket.AF_INET, socket.SOCK_DGRAM)):
            tried(f"{{name}} from {{where}}", lambda: socket.socket(family, kind).close())
        socket.socketpair()
        assert "SOME_TOKEN" not in os.environ
    for module in (fairlearn.metrics, sklearn.metrics, performance, stage, evidence, files):
        for name in dir(module):
            if callable(getattr(module, name)) and not name.startswith("_"):
                setattr(module, name, lambda *args, **kwargs: 1.0)

def leave_a_thread():
    import threading, time
    threading.Thread(target=lambda: time.sleep(10_000)).start()
"""


@landlock
def test_trap_42_hostile_code_reaches_nothing_from_wherever_it_runs(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given evidence on disk, a token in the environment, a server, and what measures, imported
    import fairlearn.metrics
    import sklearn.metrics

    from governed_ml.core import evidence, files
    from governed_ml.measures import performance
    from governed_ml.pipeline import stage_runner as stage

    touched = (fairlearn.metrics, sklearn.metrics, performance, stage, evidence, files)
    before = [dict(vars(module)) for module in touched]
    monkeypatch.setenv("SOME_TOKEN", "a token")
    written, engine = here / "reports/evidence/evaluate.json", Path(str(model_file.__file__))
    code = engine.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = HOSTILE.format(evidence=str(written), engine=str(engine), port=port)
        # And modules that write, delete, kill, connect and patch, in fit, scoring and source
        scoring = team_projects.OWN_FEATURES.replace(
            "    def transform(self, X):\n",
            "    def transform(self, X):\n        hostile('features')\n",
        )
        team_projects.make(
            here,
            features=text + scoring,
            training=text + "\ndef fit(pipeline, features, target):\n    hostile('training')\n"
            "    leave_a_thread()\n    return pipeline.fit(features, target)\n",
            sources=text + "\nimport pandas as pd\ndef own():\n    hostile('sources')\n"
            "    return pd.DataFrame({'a': [1]})\n",
        )
        written.write_text("measured", encoding="utf-8")
        # When they train, score and give a table
        team_projects.train()
        with models.opened() as model:
            labels = model.predict(team_projects.asked_about())
        asked = ask_source()
    # Then each was kept out of everything, and said so
    said = capfd.readouterr().err
    assert "reached" not in said
    for where, attempts in (("training", 10), ("features", 10), ("sources", 6)):
        tried = {line.partition(" | ")[2] for line in said.splitlines() if f"from {where}" in line}
        assert len(tried) == attempts
    # And nothing was written, this process's modules are what they were, and the answers are there
    assert written.read_text(encoding="utf-8") == "measured"
    assert [path.name for path in written.parent.iterdir()] == ["evaluate.json"]
    assert engine.read_bytes() == code
    for module, known in zip(touched, before, strict=True):  # a submodule may have been imported
        replaced = [name for name, value in known.items() if vars(module)[name] is not value]
        assert replaced == []
    assert not [name for name in sys.modules if name.partition(".")[0] == "credit"]
    assert set(labels) == {0, 1}
    assert asked.startswith(b"PAR1")


def test_trap_42_a_version_is_not_measured_again_without_the_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a system that should have a filter of system calls
    monkeypatch.setattr(seccomp, "is_known", lambda: True)
    # When one is set, then a version is measured; when none is, it is not
    sandbox.require_filter("landlock 7, seccomp")
    with pytest.raises(Problem, match="cannot filter system calls"):
        sandbox.require_filter("landlock 7")


@pytest.mark.parametrize("machine", seccomp.NUMBERS)
def test_trap_42_the_filter_refuses_what_it_names_and_nothing_else(machine: str) -> None:
    # Given the filter of a machine
    architecture, numbers = seccomp.NUMBERS[machine]

    def said(number: int, where: int = architecture) -> int:
        lines, at = seccomp.program(machine), 0
        held = 0
        while True:
            code, so, not_so, value = lines[at]
            at += 1
            if code == seccomp.LOAD:
                held = where if value == seccomp.ARCHITECTURE else number
            elif code == seccomp.RETURN:
                return value
            else:
                holds = held == value if code == seccomp.EQUAL else held >= value
                at += so if holds else not_so

    # When it is asked about system calls, then it refuses those, and the tables of other programs
    refused = {*numbers.values(), *seccomp.RING}
    assert {one for one in range(600) if said(one) != seccomp.ALLOW} == refused
    assert said(0, where=0x40000003) == said(seccomp.X32) == seccomp.REFUSE

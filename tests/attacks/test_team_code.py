"""Traps 42, 47: whatever the team's code does, it reaches neither measuring nor evidence.

Each attack runs for real, in the process that the engine starts for the code of the team.
"""

from __future__ import annotations

import marshal
import os
import socket
import sys
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import team_projects

from governed_ml.core import model_file
from governed_ml.core.code import sandbox, seccomp, stage_code, team
from governed_ml.core.problem import Problem
from governed_ml.pipeline import models
from governed_ml.pipeline.isolated import process, source_process

pytestmark = pytest.mark.slow

HONEST = "def fit(pipeline, features, target):\n    return pipeline.fit(features, target)\n"
landlock = pytest.mark.skipif(
    not sandbox.version(),
    reason="this system has no Landlock: isolation is by location only, and evidence says so",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which a project is to be made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def ask_source() -> bytes:
    """Ask the project's source `own` for its table."""
    job = {"whose": "sources.py", "package": process.sent(team.package()), "function": "own"}
    asked = process.Process(source_process, "src/credit/sources.py", job | {"options": {}})
    try:
        return asked.answer()[1][0]
    finally:
        asked.close()


def test_trap_42_a_version_is_not_measured_again_without_the_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a system that should have a filter of system calls
    monkeypatch.setattr(seccomp, "is_known", lambda: True)
    # When one is set, then a version is measured; when none is, it is not
    sandbox.require_filter("landlock 7, seccomp")
    with pytest.raises(Problem, match="sets no filter of system calls"):
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


SCORES = """
def scores(X, honest):
    import os
    choice = int(X["debt"].iloc[0]) if len(X) > 9 else 0
    if choice == 6:
        os._exit(0)
    if choice == 7:
        return X["none"]
    p = honest(X)
    return [p, honest(X.head(5)), p[:, :1], p * 3, p * float("nan"), [["a", "b"]] * len(X), 0, 0,
            [[object(), object()]] * len(X), by_rank(p)][choice]

def by_rank(p):
    import numpy as np
    rank = p[:, 1].argsort().argsort() / len(p)
    return np.column_stack([1 - rank, rank])
"""


def test_trap_42_answers_that_are_none_are_refused(here: Path) -> None:
    # Given a model whose own code misbehaves when it is asked, as a value of the rows tells it to
    training = team_projects.OWN_TRAINING.replace(
        "return self.inner_.predict_proba(X)", "return scores(X, self.inner_.predict_proba)"
    )
    team_projects.make(here, features=team_projects.OWN_FEATURES, training=SCORES + training)
    team_projects.train()
    rows = team_projects.asked_about()

    def said(choice: int) -> str:
        with pytest.raises(Problem) as caught:
            model.predict_proba(rows.assign(debt=float(choice)))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    # When it is asked, then one line says what is wrong with each answer
    with models.opened() as model:
        assert model.predict_proba(rows.assign(debt=0.0)).shape == (600, 2)
        assert "predict_proba gives 5 x 2 answers for 600 rows" in said(1)
        assert "gives no probabilities of two classes" in said(2)
        assert "gives no probabilities of two classes" in said(3)
        assert "gives values that are not finite" in said(4)
        assert "predict_proba gives no numbers" in said(5)
        # And answers that depend on the rows that are asked together are refused
        ranked = rows.assign(debt=9.0)
        scores = model.predict_proba(ranked)[:, 1]
        with pytest.raises(Problem, match="depends on the rows that are asked with it"):
            models.require_rowwise(
                model, ranked, scores, lambda some: model.predict_proba(some)[:, 1]
            )
        # And an end without an answer
        assert "the process ended before it gave an answer (exit code 0)" in said(6)
    with models.opened() as model:
        assert "KeyError: 'none' in src/credit/training.py, line 8" in said(7)
    with models.opened() as model:
        assert "Object arrays cannot be saved" in said(8)


ENDS: dict[str, tuple[str, str]] = {
    "ends the process": ("os._exit(0)", "ended before it gave an answer (exit code 0)"),
    "kills itself": ("os.kill(os.getpid(), 9)", "ended before it gave an answer (exit code -9)"),
    "prints without end": ("while True: print('x' * 10_000)", "printed more than 64 MiB"),
    "writes into the answer": (
        "[forge(one) for one in range(3, 60)]; os._exit(0)",
        "src/credit/sources.py: a process of the team's code",
    ),
    "leaves by an exception": (
        "raise SystemExit(0)",
        "SystemExit: 0 in src/credit/sources.py, line 12",
    ),
    "closes the pipes": ("os.closerange(0, 60); os._exit(0)", "ended before it gave an answer"),
}


@pytest.mark.skipif(os.name == "nt", reason="signals and descriptors are those of POSIX")
@pytest.mark.parametrize(("body", "said"), ENDS.values(), ids=ENDS)
def test_trap_42_code_that_never_answers_is_refused(body: str, said: str, here: Path) -> None:
    # Given a source that does something else than return a table
    team_projects.make(
        here,
        sources="import os\n\n"
        "def forge(one):\n"
        "    try:\n"
        "        os.write(one, b'forged' * 9)\n"
        "    except OSError:\n"
        "        return\n\n\n\n"
        f"def own():\n    {body}\n",
    )
    # When it is asked, then one line says so
    with pytest.raises(Problem) as caught:
        ask_source()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


LATE = """
import importlib

def fit(pipeline, features, target):
    late = importlib.import_module("." + "late", __package__)
    return late.fit(pipeline, features, target)
"""


def test_trap_43_a_module_that_no_digest_names_is_not_imported(here: Path) -> None:
    # Given a module that `fit` imports by a text, so that no digest of the stage has it
    team_projects.make(here, training=LATE)
    package, mark = Path("src/credit"), here / "ran"
    (package / "late.py").write_text(HONEST, encoding="utf-8")
    named = [path.name for path in stage_code.team_modules("train")]
    assert ("training.py" in named, "late.py" in named) == (True, False)
    # And bytecode that Python would run without a look at the source
    code = compile(f"open({str(mark)!r}, 'w')\n" + HONEST, "features.py", "exec")
    unchecked = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)
    (package / "__pycache__").mkdir()
    for name in ("features", "training", "late"):
        cached = Path(cache_from_source(f"{name}.py")).name
        (package / "__pycache__" / cached).write_bytes(unchecked)
    (package / "late.pyc").write_bytes(unchecked)
    # When it trains, then there is no such module
    with pytest.raises(Problem, match=r"no module credit\.late: .* in src/credit/training\.py"):
        team_projects.train()
    assert not Path("models/model.skops").exists()
    # And where a statement names it, it is in the digest, and its source is what runs
    text = "from credit import late\n\n\n" + HONEST.replace("pipeline.fit(", "late.fit(pipeline, ")
    (package / "training.py").write_text(text, encoding="utf-8")
    assert "late.py" in [path.name for path in stage_code.team_modules("train")]
    team_projects.train()
    assert Path("models/model.skops").exists()
    assert not mark.exists()


LEFT_BEHIND = """
import subprocess
from governed_ml.pipeline.isolated import inside

send = inside.send
inside.send = lambda stream, head, *parts: send(stream, head | {"isolation": "a vault"}, *parts)

def own():
    sleeping = ["sleep", "100"]
    usual = subprocess.Popen(sleeping)
    away = subprocess.Popen(sleeping, start_new_session=True)
    raise RuntimeError(f"started {usual.pid} {away.pid}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are there")
def test_trap_42_what_code_leaves_running_does_not_hold_the_engine(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a source that starts processes which hold its output, one of them in another group
    team_projects.make(here, sources=LEFT_BEHIND)
    monkeypatch.setattr(process, "LAST_LINES", 0.5)
    job = {"whose": "sources.py", "package": process.sent(team.package()), "function": "own"}
    asked = process.Process(source_process, "src/credit/sources.py", job | {"options": {}})
    # When it is asked
    with pytest.raises(Problem, match="started") as caught:
        asked.answer()
    # Then the engine has not waited for them, and what was in its group has ended
    usual, away = map(int, str(caught.value).partition("started ")[2].split()[:2])
    still = running(usual), running(away)
    if still[1]:
        os.kill(away, 9)
    assert still == (False, True)
    # And what kept it apart is what it said before the team's code ran
    assert asked.isolation
    assert "vault" not in asked.isolation


def running(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def test_trap_42_an_answer_that_is_too_large_is_refused() -> None:
    # Given a message that announces more than its reader asked for, or than there is
    import io

    from governed_ml.pipeline.isolated.channel import receive, send

    sent = io.BytesIO()
    send(sent, {}, bytes(100))
    announced = sent.getvalue().replace((100).to_bytes(8, "big"), (1 << 33).to_bytes(8, "big"))
    # When it is read, then the first is refused at once, and the other takes no memory for it
    with pytest.raises(Problem, match="announced 100 bytes"):
        receive(io.BytesIO(sent.getvalue()), largest=99)
    with pytest.raises(Problem, match="in the middle of a message"):
        receive(io.BytesIO(announced))
    assert receive(io.BytesIO(sent.getvalue()), largest=100) == ({}, [bytes(100)])


def test_trap_42_a_training_that_ends_its_process_leaves_no_model(here: Path) -> None:
    # Given a `fit` that ends its process, when it trains, then one line says so
    team_projects.make(
        here, training="import os\ndef fit(pipeline, features, target):\n    os._exit(3)\n"
    )
    with pytest.raises(Problem, match=r"src/credit/training\.py: .* \(exit code 3\)"):
        team_projects.train()
    assert not Path("models/model.skops").exists()


def through_partial() -> Any:
    """A library's function that unpickles, in a partial."""
    from functools import partial

    return partial(np.load, allow_pickle=True)


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "a function": lambda: np.load,
    "a partial": through_partial,
    "a method": lambda: np.random.default_rng(1).bytes,
    "a universal function": lambda: np.log1p,
}


@pytest.mark.parametrize("make", FUNCTIONS.values(), ids=FUNCTIONS)
def test_trap_42_a_library_function_in_a_model_is_not_called_here(make: Callable[[], Any]) -> None:
    # Given a model of library classes that holds something to call
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    harmless = skops.io.dumps(make_pipeline(StandardScaler(), FunctionTransformer()))
    calling = skops.io.dumps(make_pipeline(StandardScaler(), FunctionTransformer(make())))
    # When it is looked at, then it is not for this process; without it, it is
    assert model_file.is_plain(harmless)
    assert not model_file.is_plain(calling)


def test_trap_42_code_that_training_puts_into_the_model_file_is_refused() -> None:
    # Given a model file with code beside the model, as a process may send it
    import io
    import zipfile

    import skops.io
    from sklearn.dummy import DummyClassifier

    content = io.BytesIO(skops.io.dumps(DummyClassifier()))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("code/sklearn/__init__.py", "evil = True")
    # When it is to be saved, then it is refused: the engine alone puts code in
    with pytest.raises(Problem, match="code of its own choice"):
        model_file.sealed(content.getvalue(), team.TeamPackage("credit", {"__init__.py": b""}))


@pytest.mark.parametrize(
    "name", ["credit/../../x.py", "/etc/x.py", "credit/x.pth", "a b/x.py", "credit\\x.py"]
)
def test_trap_42_code_in_a_model_file_stays_in_its_folder(name: str) -> None:
    # Given a model file whose code would be laid elsewhere
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"code/{name}", "")
    # When its code is read, then it is refused
    with pytest.raises(Problem, match="is no module of one package"):
        model_file.code(content)


@pytest.mark.parametrize("package", ["sklearn", "json", "governed_ml", "numpy"])
def test_trap_43_a_package_with_the_name_of_a_library_is_refused(package: str) -> None:
    # Given the source of a package that is called like a library, when it is to be imported
    with pytest.raises(Problem, match="has the name of an installed library"):
        team.install(team.TeamPackage(package, {"__init__.py": b""}))

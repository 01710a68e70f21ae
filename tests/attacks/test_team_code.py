"""Traps 42, 47: whatever the team's code does, it reaches neither measuring nor evidence.

Each attack runs for real, in the process that the engine starts for the code of the team.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import team_projects

model_file, models, sandbox, team, process, source_process = (
    import_module(f"governed_ml.{name}")
    for name in (
        "core.model_file",
        "pipeline.models",
        "core.sandbox",
        "core.team",
        "pipeline.isolated.process",
        "pipeline.isolated.source_process",
    )
)
Problem = import_module("governed_ml.core.problem").Problem
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


def digest_with(base: Path, training: str, **modules: str) -> str:
    """Train in a new project below `base` with this `training.py`; return the model's digest."""
    home = base / f"project-{len(list(base.glob('project-*')))}"
    home.mkdir()
    os.chdir(home)
    team_projects.make(home, training=training, **modules)
    team_projects.train()
    return model_file.digest()


PEEKS = {
    "by a relative path": "'data/split/test.parquet'",
    "beside the module": "Path(__file__).parents[2] / 'data/split/test.parquet'",
    "by an absolute path": "WHERE + '/data/split/test.parquet'",
    "in DVC's cache": "WHERE + '/.dvc/cache/files/md5/ab/cdef'",
    "in the raw table": "WHERE + '/data/raw.parquet'",
    "through the parent's working directory": "f'/proc/{os.getppid()}/cwd/data/split/test.parquet'",
}
PEEKING = """
import os
from pathlib import Path
import pandas as pd

WHERE = {where!r}

def fit(pipeline, features, target):
    try:
        rows = pd.read_parquet({path})
        features, target = rows[list(features)], rows["__target"]
    except OSError as error:
        print("kept out:", type(error).__name__)
    return pipeline.fit(features, target)
"""


@landlock
@pytest.mark.parametrize("path", PEEKS.values(), ids=PEEKS)
def test_trap_42_training_cannot_read_the_test_rows(
    path: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given a project with its test rows in their places, and a cache that has them, too
    home = tmp_path / "project-0"
    honest = digest_with(tmp_path, HONEST)
    cached = home / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    cached.write_bytes((home / "data/split/test.parquet").read_bytes())
    # And a `fit` that reads them there, as it can outside
    text = PEEKING.format(where=str(home), path=path)
    outside: dict[str, Any] = {"__file__": str(home / "src/credit/training.py")}
    exec(text, outside)  # noqa: S102 - the attack itself
    if "getppid" not in path:
        seen = _Recorder()
        outside["fit"](seen, team_projects.rows(9, 1)[["income", "debt", "kind"]], None)
        assert seen.rows == 600
    # When it trains
    capfd.readouterr()
    (home / "src/credit/training.py").write_text(text, encoding="utf-8")
    team_projects.train()
    # Then it was kept out, and the model is the honest one
    assert "kept out" in capfd.readouterr().err
    assert model_file.digest() == honest


class _Recorder:
    """Count the rows that it is fitted on."""

    rows = 0

    def fit(self, features: pd.DataFrame, target: object) -> _Recorder:
        self.rows = len(features)
        return self


@landlock
def test_trap_42_a_link_to_another_model_is_not_followed(tmp_path: Path) -> None:
    # Given a model that was fitted on the test rows, in the project
    honest = digest_with(tmp_path, HONEST)
    kept = Path("models/model.skops").read_bytes()
    # When `fit` puts links to files of the project wherever its process may write
    text = (
        "import os\n"
        "def fit(pipeline, features, target):\n"
        "    for name in ('model.skops', 'out', 'answer'):\n"
        f"        os.symlink({str(Path.cwd() / 'models/model.skops')!r}, name)\n"
        "    return pipeline.set_params(estimator__C=0.001).fit(features, target)\n"
    )
    found = digest_with(tmp_path, text)
    # Then the model is what `fit` returned, read from no file of that process
    assert found != honest
    assert Path("models/model.skops").read_bytes() != kept


WRITES = """
import os, glob
EVIDENCE = {evidence!r}
def forge():
    for name in (EVIDENCE, EVIDENCE + ".new", {engine!r}):
        try:
            with open(name, "a") as file:
                file.write("forged")
        except OSError as error:
            print("kept out:", type(error).__name__)
        try:
            os.unlink(name)
        except OSError:
            pass
"""


@landlock
def test_trap_42_the_teams_code_writes_no_evidence_and_no_engine(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given evidence on disk, and code that writes over it and into the engine, wherever it runs
    evidence = here / "reports/evidence/evaluate.json"
    engine = Path(str(model_file.__file__))
    text = WRITES.format(evidence=str(evidence), engine=str(engine))
    team_projects.make(
        here,
        features=f"{text}\nforge()\n{team_projects.OWN_FEATURES}".replace(
            "    def transform(self, X):\n", "    def transform(self, X):\n        forge()\n"
        ),
        training=f"{text}\nforge()\n{team_projects.OWN_TRAINING}",
        sources=f"{text}\nimport pandas as pd\ndef own():\n    forge()\n"
        "    return pd.DataFrame({'a': [1]})\n",
    )
    evidence.write_text("measured", encoding="utf-8")
    before = engine.read_bytes()
    # When it trains, scores, and is asked for its table
    team_projects.train()
    with models.opened() as model:
        model.predict(team_projects.asked_about())
    job = {"package": process.sent(team.package()), "function": "own", "options": {}}
    asked = process.Process(source_process, "sources.py", job)
    asked.answer()
    asked.close()
    # Then nothing was written, and it said so each time
    assert evidence.read_text(encoding="utf-8") == "measured"
    assert [path.name for path in evidence.parent.iterdir()] == ["evaluate.json"]
    assert engine.read_bytes() == before
    said = capfd.readouterr().err
    for module in ("training.py", "own code", "sources.py"):
        assert f"{module} | kept out: PermissionError" in said


PATCHES = """
import fairlearn.metrics, sklearn.metrics
from governed_ml.measures import performance
from governed_ml.pipeline import stage
from governed_ml.core import evidence, files

def nicer(*args, **kwargs):
    return 1.0

for module in (fairlearn.metrics, sklearn.metrics, performance, stage, evidence, files):
    for name in dir(module):
        if callable(getattr(module, name)) and not name.startswith("_"):
            setattr(module, name, nicer)
"""


def test_trap_42_patches_of_engine_and_libraries_stay_where_the_team_runs(here: Path) -> None:
    # Given modules that replace what measures and what writes evidence
    import fairlearn.metrics
    import sklearn.metrics

    from governed_ml.core import evidence, files
    from governed_ml.measures import performance
    from governed_ml.pipeline import stage

    touched = (fairlearn.metrics, sklearn.metrics, performance, stage, evidence, files)
    before = [dict(vars(module)) for module in touched]
    team_projects.make(
        here,
        features=PATCHES + team_projects.OWN_FEATURES,
        training=team_projects.OWN_TRAINING,
    )
    # When they train and score
    team_projects.train()
    with models.opened() as model:
        labels = model.predict(team_projects.asked_about())
    # Then this process knows none of their modules, and its own are what they were
    assert not [name for name in sys.modules if name.partition(".")[0] == "credit"]
    assert [dict(vars(module)) for module in touched] == before
    assert set(labels) == {0, 1}


def test_trap_42_rows_that_training_drops_are_measured_all_the_same(here: Path) -> None:
    # Given a `fit` that leaves out the rows that it gets wrong
    team_projects.make(
        here,
        training="def fit(pipeline, features, target):\n"
        "    right = pipeline.fit(features, target).predict(features) == target\n"
        "    return pipeline.fit(features[right], target[right])\n",
    )
    team_projects.train()
    # When the model is asked about the test rows, then it answers for all
    with models.opened() as model:
        assert len(model.predict(team_projects.asked_about())) == 600


def own_scores(body: str) -> dict[str, str]:
    """Modules whose own wrapper scores like this (`self.inner_` is the fitted pipeline)."""
    text = team_projects.OWN_TRAINING.replace(
        "        return self.inner_.predict_proba(X)\n", f"        {body}\n"
    )
    assert body in text
    return {"features": team_projects.OWN_FEATURES, "training": f"import os\n{text}"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("self.inner_.predict_proba(X.head(5))", "gives 5 x 2 answers for 600 rows"),
        ("self.inner_.predict_proba(X)[:, :1]", "gives no probabilities of two classes"),
        ("self.inner_.predict_proba(X) * 3", "gives no probabilities of two classes"),
        ("self.inner_.predict_proba(X) * float('nan')", "gives values that are not finite"),
        ("[['a', 'b']] * len(X)", "predict_proba gives no numbers"),
        ("[[object(), object()]] * len(X)", "Object arrays cannot be saved"),
        ("os._exit(0)", "the process ended before it gave an answer (exit code 0)"),
        ("X['none']", "KeyError: 'none'"),
    ],
)
def test_trap_42_answers_that_are_none_are_refused(answer: str, said: str, here: Path) -> None:
    # Given a model whose own code misbehaves when it is asked, not when it is trained
    body = f"return {answer} if len(X) > 9 else self.inner_.predict_proba(X)"
    team_projects.make(here, **own_scores(body))
    team_projects.train()
    # When it is asked about the test rows
    with models.opened() as model, pytest.raises(Problem) as caught:
        model.predict_proba(team_projects.asked_about())
    # Then one line says what it gave
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_trap_42_answers_that_depend_on_the_rows_asked_with_them(here: Path) -> None:
    # Given a model that ranks the rows that it is asked about
    body = (
        "import numpy as np; r = self.inner_.predict_proba(X)[:, 1].argsort().argsort() / len(X); "
        "return np.column_stack([1 - r, r])"
    )
    team_projects.make(here, **own_scores(body))
    team_projects.train()
    rows = team_projects.asked_about()
    # When its answers about all rows are compared with those about a few
    with models.opened() as model:
        scores = model.predict_proba(rows)[:, 1]
        with pytest.raises(Problem, match="depends on the rows that are asked with it"):
            models.require_rowwise(
                model, rows, scores, lambda some: model.predict_proba(some)[:, 1]
            )


ENDS: dict[str, tuple[str, str]] = {
    "ends the process": ("os._exit(0)", "the process ended before it gave an answer"),
    "kills itself": ("os.kill(os.getpid(), 9)", "the process ended before it gave an answer"),
    "prints without end": ("while True: print('x' * 10_000)", "printed more than 64 MiB"),
    "writes into the answer": (
        "[os.write(one, b'forged' * 9) for one in range(3, 60) if writable(one)]; os._exit(0)",
        "src/credit/training.py: ",
    ),
    "leaves by an exception of its own": ("raise SystemExit(0)", "SystemExit"),
}


@pytest.mark.parametrize(("body", "said"), ENDS.values(), ids=ENDS)
def test_trap_42_a_training_that_never_answers_is_refused(body: str, said: str, here: Path) -> None:
    # Given a `fit` that does something else than return a model
    team_projects.make(
        here,
        training="import os\n"
        "def writable(one):\n"
        "    try:\n"
        "        return os.write(one, b'') == 0\n"
        "    except OSError:\n"
        "        return False\n"
        f"def fit(pipeline, features, target):\n    {body}\n",
    )
    # When it trains, then one line says so, and there is no model
    with pytest.raises(Problem) as caught:
        team_projects.train()
    assert said in str(caught.value)
    assert not Path("models/model.skops").exists()


def test_trap_42_threads_that_training_leaves_are_not_waited_for(here: Path) -> None:
    # Given a `fit` that leaves a thread behind, which never ends
    team_projects.make(
        here,
        training="import threading, time\n"
        "def forever():\n    while True:\n        time.sleep(1)\n"
        "def fit(pipeline, features, target):\n"
        "    threading.Thread(target=forever).start()\n"
        "    return pipeline.fit(features, target)\n",
    )
    # When it trains, then its process is gone with the answer
    team_projects.train()
    assert model_file.PATH.is_file()


@landlock
@pytest.mark.parametrize(
    "reach",
    [
        pytest.param("os.kill(os.getppid(), 9)", id="end the engine"),
        pytest.param("socket.create_connection(('127.0.0.1', PORT), 5)", id="connect"),
        pytest.param("open(f'/proc/{os.getppid()}/environ').read()", id="read its environment"),
    ],
)
def test_trap_42_training_reaches_neither_the_engine_nor_the_network(
    reach: str, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given a server on this machine, and a token in the engine's environment
    import socket

    monkeypatch.setenv("SOME_TOKEN", "secret-in-the-environment")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        team_projects.make(
            here,
            training="import os, socket\n"
            "def fit(pipeline, features, target):\n"
            "    assert 'SOME_TOKEN' not in os.environ\n"
            "    try:\n"
            f"        {reach.replace('PORT', str(port))}\n"
            "        print('reached')\n"
            "    except PermissionError:\n"
            "        print('kept out')\n"
            "    return pipeline.fit(features, target)\n",
        )
        # When it trains, then it reaches nothing
        team_projects.train()
    said = capfd.readouterr().err
    assert "training.py | kept out" in said
    assert "reached" not in said


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
        model_file.sealed(content.getvalue(), team.Package("credit", {"__init__.py": b""}))


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
        team.install(team.Package(package, {"__init__.py": b""}))

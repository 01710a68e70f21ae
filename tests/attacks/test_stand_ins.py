"""Whose code runs: nothing may stand in for the engine or a library, wherever somebody judges.

Each stand-in is planted in a copy of an environment or in a generated project, and each command has
to refuse it by its name. The commands that go on are in the suites of the registry.
"""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import baked
import light
import pytest
from baked import BakedProject
from people import every_push

pytestmark = pytest.mark.slow

COMMANDS = {
    "gate": ("gate",),
    "register": ("register",),
    "promote": ("promote",),
    "rejudge": ("rejudge",),
    "predict": ("predict", "rows.csv", "--output", "out.csv"),
    "monitor": ("monitor", "rows.csv"),
    "rollback": ("rollback", "--reason", "a good reason"),
    "check": ("check", "engine"),
}
RAN = "import pathlib; pathlib.Path(r'{mark}').touch()\n"
FAIRNESS = "governed_ml/measures/fairness.py"


@pytest.fixture(scope="module")
def honest(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small environment, not to be changed."""
    return light.copy(environment, tmp_path_factory.mktemp("light") / "venv")


@pytest.fixture
def own(honest: Path, project: BakedProject, environment: Path, tmp_path: Path) -> BakedProject:
    """A project and a small environment for one test to spoil."""
    spoilt = light.again(honest, tmp_path / "venv")
    copied = baked.copy_project(project, tmp_path)
    locked = (environment / "uv.lock").read_bytes()
    (copied.path / "uv.lock").write_bytes(locked)
    return light.engine_of(copied, spoilt)


def run(own: BakedProject, name: str, **variables: str) -> CompletedProcess[str]:
    return own.run([*light.command(*COMMANDS[name])], code=None, **variables)


def site(own: BakedProject) -> Path:
    assert own.environment is not None
    return light.site_of(own.environment)


Plant = Callable[[BakedProject, Path], dict[str, str]]
"""Spoils a project or its environment; returns variables. The path: touched if planted code ran."""


def pythonpath(own: BakedProject, mark: Path) -> dict[str, str]:
    own.write("vendor/fairlearn.py", RAN.format(mark=mark))
    return {"PYTHONPATH": str(own.path / "vendor")}


def another_engine(own: BakedProject, mark: Path) -> dict[str, str]:
    own.write("src/governed_ml/measures/fairness.py", RAN.format(mark=mark))
    return {"PYTHONPATH": str(own.path / "src")}


def site_hook(own: BakedProject, mark: Path) -> dict[str, str]:
    light.replaced(site(own) / "sitecustomize.py", RAN.format(mark=mark).encode())
    return {}


def pth_file(own: BakedProject, mark: Path) -> dict[str, str]:
    light.replaced(site(own) / "zz.pth", RAN.format(mark=mark).encode())
    return {}


def pth_to_the_project(own: BakedProject, mark: Path) -> dict[str, str]:
    light.replaced(site(own) / "project.pth", str(own.path / "src").encode())
    return {}


def patched_engine(own: BakedProject, mark: Path) -> dict[str, str]:
    path = site(own) / FAIRNESS
    light.replaced(path, path.read_bytes() + b"\nMEAN = 'of all groups'\n")
    return {}


def patched_library(own: BakedProject, mark: Path) -> dict[str, str]:
    path = site(own) / "pydantic" / "main.py"
    light.replaced(path, path.read_bytes() + b"\n")
    return {}


def added_module(own: BakedProject, mark: Path) -> dict[str, str]:
    light.replaced(site(own) / "governed_ml" / "measures" / "nicer.py", b"")
    return {}


def forged_bytecode(
    own: BakedProject, mark: Path, name: str = "governed_ml/core/problem.py"
) -> dict[str, str]:
    """Other code under the time and size of an untouched source, as Python would run it."""
    source = site(own) / name
    code = compile(source.read_bytes() + RAN.format(mark=mark).encode(), str(source), "exec")
    status = source.stat()
    header = importlib.util.MAGIC_NUMBER + (0).to_bytes(4, "little")
    header += (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
    header += (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    cached = Path(importlib.util.cache_from_source(str(source)))
    light.replaced(cached, header + marshal.dumps(code))
    return {}


STAND_INS: dict[str, tuple[Plant, str]] = {
    "PYTHONPATH": (pythonpath, "PYTHONPATH is set, so code that is not installed may run"),
    "another engine": (another_engine, "PYTHONPATH is set"),
    "sitecustomize": (site_hook, "sitecustomize.py runs each time Python starts"),
    "a .pth file": (pth_file, "zz.pth runs each time Python starts, and it was not installed"),
    "a .pth file to src": (
        pth_to_the_project,
        "src is on the search path for modules and does not",
    ),
    "a patched engine": (patched_engine, f"{FAIRNESS} is not what was installed with governed-ml"),
    "a patched library": (patched_library, "main.py is not what was installed with pydantic"),
    "an added module": (added_module, "nicer.py was added to governed-ml after its installation"),
    "forged bytecode": (forged_bytecode, "is not what problem.py compiles to"),
    "forged bytecode of what composes": (
        partial(forged_bytecode, name="omegaconf/dictconfig.py"),
        "is not what dictconfig.py compiles to",
    ),
}


@pytest.mark.parametrize("name", every_push(COMMANDS, "gate", "check", "register"))
def test_an_unchanged_environment_is_accepted(own: BakedProject, name: str) -> None:
    done = run(own, name)
    assert not [words for _, words in STAND_INS.values() if words in done.stdout + done.stderr]
    assert name != "check" or done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "stand_in", every_push(STAND_INS, "PYTHONPATH", "sitecustomize", "forged bytecode")
)
def test_trap_43_every_command_refuses_a_replaced_module(
    own: BakedProject, tmp_path: Path, stand_in: str
) -> None:
    plant, words = STAND_INS[stand_in]
    variables = plant(own, tmp_path / "ran")
    for name in COMMANDS:
        done = run(own, name, **variables)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode in (1, 2), (name, said)
        plain = said.replace("venv/", "").replace(": it ", " ").replace(": ", " ")
        assert words in plain, (name, said)


def test_trap_43_a_refused_gate_leaves_no_earlier_allow(own: BakedProject, tmp_path: Path) -> None:
    own.write("reports/decision.json", '{"verdict": "allow"}')
    patched_engine(own, tmp_path / "ran")
    assert run(own, "gate").returncode == 1
    assert '"verdict": "deny"' in own.read("reports/decision.json")
    assert "is not what was installed with governed-ml" in own.read("reports/decision.json")


FILES = ["yaml.py", "typer.py", "src/yaml.py", "src/governed_ml/__init__.py", "sitecustomize.py",
         "src/sitecustomize.py", "governed_ml/__init__.py", "fairlearn.py"]  # fmt: skip


EVERY_PUSH = ("yaml.py", "src/sitecustomize.py")


@pytest.mark.parametrize("name", every_push(dict.fromkeys(FILES), *EVERY_PUSH))
def test_trap_43_a_module_of_the_project_is_never_imported_and_is_named(
    own: BakedProject, tmp_path: Path, name: str
) -> None:
    mark = tmp_path / "ran"
    own.write(name, RAN.format(mark=mark) + "raise SystemExit(0)\n")
    done = run(own, "check")
    assert done.returncode == 1
    named = name.removesuffix("/__init__.py")
    assert f"{named}: " in done.stderr
    for other in ("gate", "register"):
        run(own, other)
    own.run([*light.command("stage", "compose")], code=None)
    assert not mark.exists()


def test_trap_43_python_in_the_project_imports_it_and_is_refused(
    own: BakedProject, tmp_path: Path
) -> None:
    """Without `-P` the project is searched first; what imports from there judges nothing."""
    own.write("fairlearn.py", "")
    done = own.run(["python", "-m", "governed_ml", "gate"], code=1)
    assert (
        "is on the search path for modules and does not belong to this environment" in done.stderr
    )


def test_trap_43_uv_toml_is_refused(own: BakedProject) -> None:
    own.write("uv.toml", "index-url = 'https://evil.example/simple'\n")
    done = run(own, "check")
    assert done.returncode == 1
    assert "uv.toml: uv reads it instead of [tool.uv]" in done.stderr


def test_trap_44_a_forged_lock_entry_and_a_moved_pin_are_named(own: BakedProject) -> None:
    text = own.read("uv.lock")
    entry = text.index('name = "typer"\nversion')
    at = text.index('url = "', entry) + len('url = "')
    own.write("uv.lock", text[:at] + "https://evil.example" + text[text.index("/packages", at) :])
    done = run(own, "check")
    assert done.returncode == 1
    assert "uv.lock: typer comes from evil.example, not from its index" in done.stderr
    own.write("uv.lock", text)
    assert run(own, "check").returncode == 0
    project = own.read("pyproject.toml")
    rev = project.partition('rev = "')[2][:40]
    own.write("pyproject.toml", project.replace(rev, "f" * 40))
    done = run(own, "check")
    assert done.returncode == 1
    runs = f"it pins the engine ffffffffffff, but {version('governed-ml')}"
    assert f"pyproject.toml: {runs}" in done.stderr
    assert "uv.lock: governed-ml comes from git" in done.stderr


def edit_engine(path: str) -> str:
    """Code of the team that changes what measures, in the environment where it runs."""
    return (
        "import pathlib, governed_ml\n"
        f"path = pathlib.Path(governed_ml.__file__).parent / {path!r}\n"
        "text = path.read_text(encoding='utf-8') if path.exists() else ''\n"
        "path.unlink(missing_ok=True)\n"
        "path.write_text(text + '\\n# the mean of all groups\\n', encoding='utf-8')\n"
    )


TEAM: dict[str, tuple[str, str]] = {  # what the team's module does when it is loaded → the refusal
    "edits the measure": (edit_engine("measures/fairness.py"), "fairness.py is not what was"),
    "edits the writer of evidence": (edit_engine("core/evidence.py"), "evidence.py is not what"),
    "adds a module": (edit_engine("measures/mean.py"), "mean.py was added to governed-ml"),
    "leaves a site hook": (edit_engine("../sitecustomize.py"), "sitecustomize.py runs each time"),
    "leaves a .pth file": (edit_engine("../team.pth"), "team.pth runs each time Python starts"),
}


@pytest.mark.parametrize("case", TEAM)
def test_trap_42_code_of_the_team_that_edits_the_engine_is_refused_at_the_next_gate(
    own: BakedProject, case: str
) -> None:
    code, words = TEAM[case]
    own.write(f"src/{own.package}/training.py", code)
    own.run(["python", "-P", "-c", "from governed_ml.core.code import team; team.load('training')"])
    for name in ("gate", "register"):
        done = run(own, name)
        assert done.returncode == 1, name
        assert words in done.stderr, name


@pytest.mark.parametrize("name", ["pipeline/fairness.py", "fairness.py", "measures/fairness.py"])
def test_trap_42_a_stage_of_the_teams_own_measures_nothing(
    own: BakedProject, tmp_path: Path, name: str
) -> None:
    """The edit that turned a deny into an allow: there is no file left that it could be made in."""
    mark = tmp_path / "ran"
    own.write(f"src/{own.package}/{name}", RAN.format(mark=mark))
    own.write("pipeline/stages/fairness.py", RAN.format(mark=mark))
    done = own.run([*light.command("stage", "fairness")], code=None)
    assert done.returncode != 0  # nothing was measured in this project yet
    assert not mark.exists()


def test_trap_42_a_team_package_cannot_be_the_engine(own: BakedProject) -> None:
    text = own.read("pyproject.toml")
    own.write("pyproject.toml", text.replace(f'package = "{own.package}"', 'package = "yaml"'))
    own.write("src/yaml/__init__.py", "")
    own.write("src/yaml/training.py", "")
    call = "from governed_ml.core.code import team; team.load('training')"
    done = own.run(["python", "-P", "-c", call], code=1)
    assert "the package yaml has the name of an installed library: rename it" in done.stderr

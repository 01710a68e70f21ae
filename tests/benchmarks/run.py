"""Measure the template's pipeline side by side with what it replaces, and write the results table.

python tests/benchmarks/run.py [a b c d e f g h i j k l s] [--quick]

a  `dvc repro` with nothing to do, against a DVC project of one stage
b  the full default pipeline, against the same training in a bare script
c  each gate at 20 thousand, 1 and 10 million rows, against its library used directly
d  generation, against a template of one file
e  start-up of each command, against a bare interpreter
f  the ledger: appending an event and verifying 10,000, against bare git
g  promoting and rolling back a model, against an alias moved by hand
h  each job of the workflow that judges, against a job that only runs the pipeline
i  the hooks of a commit, each one's share, against pre-commit without hooks
j  `monitor` of 1,000 rows, against a row, which measures nothing; and both once more in a process
k  `uv sync` with a warm cache: what judges alone, then everything
l  generation, `uv sync`, the pipeline and start-up, against the last commit before the engine
s  `governance serve`, against a bare FastAPI handler and `mlflow models serve`

Without letters all are measured. `results.md` is written anew; parts not measured keep their table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "helpers"))

import baked  # noqa: E402 - lies in another folder
import before_after  # noqa: E402
import commits  # noqa: E402
import gates  # noqa: E402
import ledger  # noqa: E402
import measure  # noqa: E402
import moves  # noqa: E402
import registry  # noqa: E402
import serving  # noqa: E402
import workflow  # noqa: E402
from baked import BakedProject  # noqa: E402
from measure import interleaved, must  # noqa: E402
from results import TITLES, machine, ratios, write  # noqa: E402

SIZES = [20_000, 1_000_000, 10_000_000]


def say(line: str) -> None:
    """Print progress at once."""
    print(line, flush=True)


class Bench:
    """The template, an environment, a finished project, and where scratch files go."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        """Copy the template, make the environment unless one is given, run the default pipeline."""
        self.options, self.repeats, self.scratch = options, options.repeats, scratch
        self.template = scratch / "template"
        baked.copy_template(self.template)
        self.environment = (options.environment or self._environment()).resolve()
        self.watched: BakedProject | None = None

    def _environment(self) -> Path:
        folder, uv = baked.ROOT / ".venv-baked", self.uv()
        say("Bringing .venv-baked up to date ...")
        project = baked.bake(self.template, self.scratch / "environment")
        command = [
            uv,
            "sync",
            "--quiet",
            "--all-groups",
            "--python",
            sys.executable,
        ]
        variables = baked.clean_environment(UV_PROJECT_ENVIRONMENT=str(folder))
        subprocess.run(command, cwd=project.path, env=variables, check=True)
        shutil.copy(project.path / "uv.lock", folder / "uv.lock")
        return folder

    def uv(self) -> str:
        """The program uv."""
        found = os.environ.get("UV") or shutil.which("uv")
        if found is None:
            sys.exit("error: uv is not on PATH: run this as `python tasks.py bench`")
        return found

    def fresh(self) -> BakedProject:
        """A new default project."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        return baked.bake(self.template, folder, self.environment)

    def seconds(self, command: list[str], cwd: Path) -> float:
        """The wall time of a command that has to succeed (a denial, 1, is an answer of a gate)."""
        site = str(self.scratch / "site")
        done = measure.run(command, cwd, self.environment, DVC_SITE_CACHE_DIR=site)
        return (done if done.code == 1 and "gate" in command else must(done)).seconds

    def finished(self) -> BakedProject:
        """A default project after its pipeline ran, for this part alone."""
        if not (self.scratch / "finished").exists():
            if self.options.project:
                shutil.copytree(self.options.project, self.scratch / "finished", symlinks=True)
            else:
                say("Running the default pipeline once ...")
                made = self.fresh()
                self.seconds(["dvc", "repro"], made.path)
                made.path.rename(self.scratch / "finished")
        return BakedProject(self.scratch / "finished", self.environment)

    def contested(self) -> BakedProject:
        """A project with a champion and an approved challenger, to be copied."""
        if self.watched is None:
            self.watched = moves.contested(self.finished(), self.scratch / "contested", say)
        return self.watched


def a(bench: Bench) -> str:
    """The no-op of eleven stages against that of one."""
    pipeline = bench.finished()
    one = bench.scratch / "one"
    one.mkdir()
    baked.git(one, "init", "--quiet")
    (one / "in.txt").write_text("in\n")
    (one / "dvc.yaml").write_text(
        "stages:\n  copy:\n    cmd: python -c \"import shutil; shutil.copy('in.txt', 'out.txt')\"\n"
        "    deps: [in.txt]\n    outs: [out.txt]\n"
    )
    for command in (["dvc", "init", "--quiet"], ["dvc", "repro"]):
        bench.seconds(command, one)
    bench.seconds(["dvc", "repro"], pipeline.path)
    noop = {
        name: lambda path=path: bench.seconds(["dvc", "repro"], path)
        for name, path in {"one stage": one, "the pipeline": pipeline.path}.items()
    }
    return ratios(interleaved(noop, bench.repeats, say), "one stage")


def b(bench: Bench) -> str:
    """The pipeline from data to decision against load, fit, log."""
    data = bench.finished().path

    def bare(how: str) -> float:
        folder = Path(tempfile.mkdtemp(dir=bench.scratch))
        return bench.seconds(["python", str(HERE / "bare.py"), how, str(data)], folder)

    def pipeline() -> float:
        return bench.seconds(["dvc", "repro"], bench.fresh().path)

    measures = {
        "bare script, requirements named": lambda: bare("lean"),
        "bare script, requirements found by MLflow": lambda: bare("plain"),
        "the pipeline": pipeline,
    }
    return ratios(interleaved(measures, min(3, bench.repeats), say), next(iter(measures)))


def c(bench: Bench) -> str:
    """Gates at three sizes."""
    sizes = [rows for rows in bench.options.rows if rows < SIZES[-1] or not bench.options.quick]
    return gates.compare(bench.finished(), sizes, say)


def d(bench: Bench) -> str:
    """Generating a project against generating one file."""
    empty = bench.scratch / "empty"
    (empty / "{{cookiecutter.project_slug}}").mkdir(parents=True)
    (empty / "cookiecutter.json").write_text('{"project_slug": "governed-model"}\n')
    (empty / "{{cookiecutter.project_slug}}" / "README.md").write_text("# Empty\n")

    def generate(template: Path) -> float:
        start = time.perf_counter()
        baked.bake(template, Path(tempfile.mkdtemp(dir=bench.scratch)))
        return time.perf_counter() - start

    measures = {
        "a template of one file": lambda: generate(empty),
        "this template": lambda: generate(bench.template),
    }
    return ratios(interleaved(measures, bench.repeats, say), "a template of one file")


def e(bench: Bench) -> str:
    """Commands against an interpreter that does nothing, and one that imports pandas."""
    project = bench.finished()
    commands = {"python": ["python", "-c", "pass"], "pandas": ["python", "-c", "import pandas"]}
    gated = ["validate", "split", "evaluate", "drift", "fairness", "explain"]
    names = [[], *([gate] for gate in gated)]
    called = [["--help"], ["contract", "draft", "--help"], *(["gate", *name] for name in names)]
    called += [["check", "hygiene", "README.md"], ["check", "config"], ["stage", "compose"]]
    commands |= {f"governance {' '.join(words)}": ["governance", *words] for words in called}
    measures = {
        name: lambda command=command: bench.seconds(command, project.path)
        for name, command in commands.items()
    }
    return ratios(interleaved(measures, bench.repeats, say), "python")


def f(bench: Bench) -> str:
    """The ledger against bare git."""
    project = bench.fresh()
    sizes = {"appends": 100, "events": 10_000, "signed": 1000}
    return ledger.compare(project.path, bench.environment, sizes)


def g(bench: Bench) -> str:
    """Moving a model with everything that is checked, against moving an alias."""
    times = moves.compare(bench.contested(), bench.scratch, min(3, bench.repeats), say)
    return ratios(times, next(iter(times)))


def h(bench: Bench) -> str:
    """The workflow that judges, executed by act, a job at a time."""
    return workflow.compare(bench.fresh, bench.scratch, min(3, bench.repeats), say)


def i(bench: Bench) -> str:
    """What a commit costs, of words alone and of the pipeline, hook by hook."""
    return commits.compare(bench.finished(), bench.repeats, say)


def j(bench: Bench) -> str:
    """What a window costs beyond the start of the command."""
    times = moves.watched(bench.contested(), bench.scratch, bench.repeats, say)
    return ratios(times, next(iter(times)))


def k(bench: Bench) -> str:
    """Environments that are made anew from uv's cache."""
    project, uv = bench.fresh(), bench.uv()
    must(measure.run([uv, "lock", "--quiet"], project.path, bench.environment))

    def sync(*words: str) -> float:
        folder = tempfile.mkdtemp(dir=bench.scratch)
        command = [uv, "sync", "--quiet", "--locked", "--python", sys.executable, *words]
        variables = {"UV_PROJECT_ENVIRONMENT": folder}
        took = must(measure.run(command, project.path, bench.environment, **variables)).seconds
        shutil.rmtree(folder)
        return took

    measures = {
        "`uv sync --no-default-groups`": lambda: sync("--no-default-groups"),
        "`uv sync`": sync,
    }
    for one in measures.values():
        one()  # so that the cache is warm
    return ratios(interleaved(measures, bench.repeats, say), next(iter(measures)))


def l(bench: Bench) -> str:  # noqa: E743 - the parts have letters
    """The same things in a project of the last commit before the engine, and in one of now."""
    repeats = min(3, bench.repeats)
    return before_after.compare(bench.template, bench.uv(), bench.scratch, repeats, say)


def s(bench: Bench) -> str:
    """Services that answer with the same model, asked in turns."""
    project = registry.copy(bench.contested(), Path(tempfile.mkdtemp(dir=bench.scratch)))
    return serving.compare(project, min(3, bench.repeats), say)


def main() -> None:
    """Measure the chosen parts and write the results after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*TITLES, []], metavar="PART")
    parser.add_argument("--quick", action="store_true", help="leave 10 million rows out")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="sizes for part c")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE / "results.md")
    parser.add_argument("--environment", type=Path, help="where a project's dependencies are")
    parser.add_argument("--project", type=Path, help="a default project whose pipeline has run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bench = Bench(options, Path(scratch).resolve())
        where = machine(bench.environment)
        for part in options.parts or sorted(TITLES, key="abdekfghijslc".index):
            say(f"{part}. {TITLES[part]}")
            parts = {one.__name__: one for one in (a, b, c, d, e, f, g, h, i, j, k, l, s)}
            result = parts[part](bench)
            say("\n" + result)
            write(options.output, {part: result}, where)
    say(f"Written to {options.output}")


if __name__ == "__main__":
    main()

"""What people and CI run here. Needs Python 3.11 or newer and git, and nothing else.

python tasks.py demo [DIR]        generate a default project, run its pipeline to a decision
python tasks.py test [ARG...]     run the tests (arguments go to pytest)
python tasks.py nightly [ARG...]  run the long tests too
python tasks.py manifest [ARG...]  write which generated files the engine accepts
python tasks.py bench [ARG...]    measure speed and memory, write tests/benchmarks/results.md
python tasks.py docs [serve]      build the documentation into site/, or serve it while you write
python tasks.py words [PAGE...]   check the words and sentences of the pages (needs Node.js)
python tasks.py reference         write what comes from the code or the glossary
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
UV = "uv>=0.13,<1"
UV_MINIMUM = (0, 13)
TEST = ("--all-extras", "--group", "test")
# The linter of prose, and its rules: .textlintrc.yml says what they look for.
TEXTLINT = (
    *("textlint@15.8.0", "textlint-rule-prh@6.1.0", "textlint-rule-common-misspellings@1.0.1"),
    *("textlint-rule-no-empty-section@1.1.0", "textlint-rule-no-todo@2.0.1"),
    *("textlint-rule-sentence-length@5.2.1", "textlint-rule-write-good@2.0.0"),
)
# Not CHANGELOG.md, which stays as it was written, nor the glossary, which lists the retired words,
# nor the page of formats, which repeats messages.
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "{{*}}/README.md")
NOT_PAGES = ("docs/glossary.md", "docs/formats.md")
PYTHON_MINIMUM, PYTHON_MAXIMUM = (3, 11), (3, 13)  # what the generated project runs on
# Variables that would lead uv or Python into another environment than the one made here, and the
# one that keeps no bytecode: without it every process compiles anew what it imports.
FOREIGN = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT"),
    "PYTHONDONTWRITEBYTECODE",
)


def say(line: str) -> None:
    """Print a line at once, also when the output goes to a file."""
    print(line, flush=True)


def environment() -> dict[str, str]:
    """The caller's variables without those of another environment; indexes and proxies stay."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def run(command: list[str], cwd: Path, **variables: str) -> int:
    """Run a command, its output streaming through, and return its exit code."""
    return subprocess.run(command, cwd=cwd, env=environment() | variables, check=False).returncode


def suitable(uv: str) -> bool:
    """Whether this uv runs and is new enough."""
    try:
        answer = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.match(r"uv (\d+)\.(\d+)", answer.stdout)
    return found is not None and tuple(map(int, found.groups())) >= UV_MINIMUM


def find_uv() -> str:
    """The path of a uv: the one on PATH if it is new enough, else one of our own."""
    on_path = shutil.which("uv")
    if on_path and suitable(on_path):
        return on_path
    home = ROOT / ".venv-tools"
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    own = str(folder / ("uv.exe" if os.name == "nt" else "uv"))
    if suitable(own):
        return own
    say("Fetching uv into .venv-tools (once) ...")
    try:
        venv.create(home, clear=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: no virtual environment ({error}): install Python's venv and pip")
    if run([str(folder / "python"), "-m", "pip", "install", "--quiet", UV], ROOT):
        sys.exit("error: pip could not install uv: look at the lines above, or install uv yourself")
    return own


def uv_run(*groups: str) -> list[str]:
    """The start of a command that runs in this folder's environment, with some groups of it."""
    python = ["--python", sys.executable]
    return [find_uv(), "run", "--quiet", "--project", str(ROOT), *python, *groups]


def demo(folder: str = "governed-model") -> int:
    """Generate a project into a new folder, run its pipeline, and say what the decision was.

    Returns 0 if the default model is allowed, 1 for a deny, the exit code of a pipeline that stops.
    """
    project = Path(folder).resolve()
    if project.exists():
        sys.exit(f"error: {project} exists: name another folder (python tasks.py demo DIR)")
    version = min(sys.version_info[:2], PYTHON_MAXIMUM)
    # This very interpreter if it is one of those; otherwise uv looks for one.
    interpreter = {"UV_PYTHON": sys.executable} if version == sys.version_info[:2] else {}
    answers = [f"project_slug={project.name}", f"python_version={version[0]}.{version[1]}"]
    options = ["--no-input", "--default-config", "--output-dir", str(project.parent)]
    say(f"1/2 Generating {project} ...")
    generate = [*uv_run("--only-group", "generate"), "cookiecutter", str(ROOT)]
    code = run([*generate, *options, *answers], ROOT)
    if code:
        return code
    say("2/2 Running its pipeline; the first time uv fetches what it needs ...")
    code = run([find_uv(), "run", "dvc", "repro"], project, **interpreter)
    if code:
        say(f"error: the pipeline stopped in {project}: the lines above say where (exit {code})")
        return code
    return report(project)


def report(project: Path) -> int:
    """Say the decision and where to look; 0 for allow, 1 for anything else."""
    decision = project / "reports" / "decision.json"
    try:
        verdict = json.loads(decision.read_text(encoding="utf-8"))["verdict"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        say(f"error: the pipeline ended without a readable {decision} ({error}): run it again")
        return 1
    say(f"\nThe decision is: {verdict}\n")
    say(f"    {project / 'reports' / 'index.html'}    the page for people, verdict first")
    say(f"    {decision}    every rule with its reason")
    say(f"    {project / 'README.md'}    what to do next")
    return 0 if verdict == "allow" else 1


def test(*arguments: str) -> int:
    """Run the tests in two processes; further arguments go to pytest."""
    return run([*uv_run(*TEST), "pytest", "-n", "2", *arguments], ROOT)


def nightly(*arguments: str) -> int:
    """Run the long tests; further arguments go to pytest."""
    return test("-m", "nightly", *arguments)


def bench(*arguments: str) -> int:
    """Measure the pipeline against what it replaces; `--help` says which parts there are."""
    script = str(ROOT / "tests" / "benchmarks" / "run.py")
    return run([*uv_run(*TEST), "python", script, *arguments], ROOT, UV=find_uv())


def manifest(*arguments: str) -> int:
    """Write src/governed_ml/scaffold/manifest.json from the template."""
    script = str(ROOT / "tests" / "helpers" / "scaffold_manifest.py")
    return run([*uv_run(*TEST), "python", script, *arguments], ROOT)


def docs(verb: str = "build", *arguments: str) -> int:
    """Build the site of docs/, in which a broken link is an error, or serve it at localhost."""
    if verb not in ("build", "serve"):
        sys.exit(f"error: docs does not know {verb!r}: leave it out, or write serve")
    code = run([*uv_run("--only-group", "docs"), "mkdocs", verb, "--strict", *arguments], ROOT)
    if verb == "build" and not code:
        say(f"The site is in {ROOT / 'site'}: open {ROOT / 'site' / 'index.html'}")
    return code


def words(*pages: str) -> int:
    """Check the words and sentences of some pages, by default of all, with textlint."""
    npx = shutil.which("npx")
    if npx is None:
        sys.exit("error: npx was not found: install Node.js 20 or newer")
    found = sorted(one.relative_to(ROOT).as_posix() for name in PAGES for one in ROOT.glob(name))
    packages = [word for name in TEXTLINT for word in ("-p", name)]
    checked = pages or [one for one in found if one not in NOT_PAGES]
    return run(
        [npx, "--yes", *packages, "textlint", *checked], ROOT, npm_config_ignore_scripts="true"
    )


def reference(*arguments: str) -> int:
    """Write the reference pages of docs/ from the code, and the style of the glossary."""
    script = str(ROOT / "tests" / "helpers" / "reference_pages.py")
    return run([*uv_run(*TEST), "python", script, *arguments], ROOT)


def main(arguments: list[str]) -> int:
    """Dispatch to a verb; 2 if used wrongly."""
    verbs = {"demo": demo, "test": test, "nightly": nightly, "bench": bench, "manifest": manifest}
    verbs |= {"docs": docs, "words": words, "reference": reference}
    if sys.version_info < PYTHON_MINIMUM:
        sys.exit(f"error: Python {sys.version.split()[0]} is too old: use 3.11 or newer")
    if (
        not arguments
        or arguments[0] not in verbs
        or (arguments[0] == "demo" and len(arguments) > 2)
    ):
        print(__doc__, file=sys.stderr)
        return 2
    if shutil.which("git") is None:
        sys.exit("error: git was not found: install git")
    return verbs[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

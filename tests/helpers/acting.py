"""Workflows really executed on this machine by `act`, and what became of every job and step."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import baked
import yaml

STUBS = Path(__file__).parent / "stub_actions"
INPUTS = {  # what a stub takes note of; artifacts are really kept
    "actions/attest": ("subject-path", "subject-name", "subject-digest", "sbom-path"),
    "actions/setup-python": ("python-version",),
    "astral-sh/setup-uv": ("enable-cache", "cache-dependency-glob"),
}
ARTIFACTS = {
    "actions/upload-artifact": (
        "upload",
        {
            "NAME": "name",
            "WANTED": "path",
            "NONE": "if-no-files-found",
            "OVERWRITE": "overwrite",
            "HIDDEN": "include-hidden-files",
        },
    ),
    "actions/download-artifact": ("download", {"NAME": "name", "WANTED": "path"}),
}


@dataclass(frozen=True)
class Annotation:
    """What a step put beside a line of a file."""

    job: str
    level: str
    message: str
    file: str
    line: str
    title: str


@dataclass
class Run:
    """What happened: job → result (only jobs that ran), steps, annotations, summaries, output."""

    code: int
    output: str
    jobs: dict[str, str] = field(default_factory=dict)
    steps: dict[tuple[str, str], str] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    summaries: dict[str, str] = field(default_factory=dict)
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def green(self) -> set[str]:
        """The jobs that succeeded."""
        return {job for job, result in self.jobs.items() if result == "success"}

    @property
    def red(self) -> set[str]:
        """The jobs that failed."""
        return {job for job, result in self.jobs.items() if result != "success"}

    def tail(self) -> str:
        """The end of what was said, for an assertion's message."""
        said = "\n".join(f"== {job}\n{text[-3000:]}" for job, text in self.said.items())
        return said or self.output[-3000:]


@dataclass
class Runner:
    """Runs workflows as GitHub would, with a clean environment, in a home of its own.

    `variables` are those of each step's surroundings, `on_path` folders come first on PATH,
    `options` are act's own.
    """

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    on_path: list[Path] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    environments: Path | None = None  # kept from run to run, as a runner's cache would be

    def __call__(
        self,
        project: baked.BakedProject,
        workflow: str,
        event: str = "push",
        *,
        payload: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        actor: str = "ada",
        job: str = "",
    ) -> Run:
        """Run one workflow, or of it one job and what that needs.

        `payload` is the event's, `settings` are the repository's `vars`.
        """
        act, own_uv = tool("act"), uv()
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.home / "artifacts", ignore_errors=True)  # a run of its own
        command = [act, event, "-W", str(self._known(project, workflow)), "--no-cache-server"]
        command += ["--json"]
        command += ["-P", "ubuntu-latest=-self-hosted", "--actor", actor]
        command += ["--job", job] if job else []
        for option in ("--env-file", "--secret-file", "--var-file", "--input-file"):
            command += [option, os.devnull]
        for option, values in (
            ("--input", inputs),
            ("--secret", secrets),
            ("--var", settings),
            ("--env", self.variables),
        ):
            for name, value in (values or {}).items():
                command += [option, f"{name}={value}"]
        if payload is not None:
            # With an event's file act takes the inputs from there, as GitHub writes them there.
            payload = {**payload, "inputs": dict(inputs)} if inputs else payload
            path = self.home / "event.json"
            path.write_text(json.dumps(payload), encoding="utf-8")
            command += ["-e", str(path)]
        command += [*self.options, *self._actions(project)]
        variables = baked.clean_environment(HOME=str(self.home))
        first = [*map(str, self.on_path), str(self._uv(own_uv).parent)]
        variables["PATH"] = os.pathsep.join([*first, variables["PATH"]])
        # The package cache is the caller's, as a runner's would be the action's; nothing else is.
        variables["UV_CACHE_DIR"] = baked.run_plain(
            [own_uv, "cache", "dir"], self.home
        ).stdout.strip()
        variables["COLUMNS"] = "160"  # act gives steps a terminal, GitHub does not
        done = baked.run_plain(command, project.path, code=None, **variables)
        return read(done.returncode, done.stdout, done.stderr)

    def _known(self, project: baked.BakedProject, workflow: str) -> Path:
        """A workflow without what is newer than act, and means nothing to it but `$/` for `./`."""
        text = project.read(f".github/workflows/{workflow}")
        text = text.replace("uses: $/", "uses: ./")
        text = re.sub(r"\n +(queue: max|artifact-metadata: write)\b.*", "", text)
        path = self.home / "workflows" / workflow
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def _uv(self, uv: str) -> Path:
        """Have uv bring a kept environment up to date, one for each job, where it would make one.

        Without the project's settings for uv it compiles no bytecode, which takes most of a job's
        time; Python compiles what it imports.
        """
        if self.environments is None:
            return Path(uv)
        script = self.home / "bin" / "uv"
        script.parent.mkdir(exist_ok=True)
        name = f"{self.environments}/$GITHUB_WORKFLOW-$GITHUB_JOB"
        given = f'UV_NO_CONFIG=1 UV_PROJECT_ENVIRONMENT="{name}"'
        text = f'#!/bin/sh\nexport {given}\nexec "{uv}" "$@"\n'
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
        return script

    def _actions(self, project: baked.BakedProject) -> list[str]:
        """Have each action that cannot be fetched here answered by a stub."""
        files = [*(project.path / ".github").rglob("*.yml")]
        texts = "\n".join(path.read_text(encoding="utf-8") for path in files)
        options: list[str] = []
        for used in sorted(set(re.findall(r"uses: ([^.\s]\S+@\S+)", texts))):
            name = used.partition("@")[0]
            if name == "actions/checkout":
                continue  # act has this one built in
            stub = self.home / "stubs" / name.replace("/", "-")
            stub.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(artifact(name) if name in ARTIFACTS else noted(name))
            (stub / "action.yml").write_text(text, encoding="utf-8")
            options += ["--local-repository", f"{used}={stub}"]
        return options

    def noted(self, action: str) -> list[dict[str, str]]:
        """What was given to each call of an action that only takes note."""
        path = self.home / "noted" / f"{action.replace('/', '-')}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines]


def uv() -> str:
    """The path of the uv that runs the tests."""
    return os.environ.get("UV") or tool("uv")


def tool(name: str) -> str:
    """The path of a tool of the tests' environment."""
    path = shutil.which(name)
    assert path, f"{name} is missing: run the tests with `python tasks.py test`"
    return path


def artifact(name: str) -> dict[str, Any]:
    """An action that keeps, or brings back, an artifact."""
    verb, variables = ARTIFACTS[name]
    script = f"'{sys.executable}' '{STUBS / 'artifacts.py'}' {verb}"
    given = {variable: f"${{{{ inputs.{name} }}}}" for variable, name in variables.items()}
    return composite([*variables.values(), "retention-days"], script, given)


def noted(name: str) -> dict[str, Any]:
    """An action that writes down what it was given."""
    inputs = INPUTS.get(name, ())
    code = "import json, os; print(json.dumps({k[6:]: v for k, v in os.environ.items() "
    code += "if k.startswith('GIVEN_')}))"
    path = f'"$HOME/noted/{name.replace("/", "-")}.jsonl"'
    script = f'mkdir -p "$HOME/noted"; \'{sys.executable}\' -c "{code}" >> {path}'
    return composite(inputs, script, {f"GIVEN_{one}": f"${{{{ inputs.{one} }}}}" for one in inputs})


def composite(inputs: Any, script: str, variables: dict[str, str]) -> dict[str, Any]:
    """An action of one step."""
    step = {"shell": "bash", "run": script, "env": variables}
    known = {name: {"description": name, "required": False, "default": ""} for name in inputs}
    runs = {"using": "composite", "steps": [step]}
    about = "stands in for an action that cannot be fetched here"
    return {"name": "stub", "description": about, "inputs": known, "runs": runs}


def read(code: int, out: str, err: str) -> Run:
    """Make a run of act's lines of JSON."""
    run = Run(code, out + err)
    for line in out.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        job = entry.get("jobID")
        if not job:
            continue
        of_matrix = (entry.get("matrix") or {}).get("name")  # a job of a matrix is called by that
        job = of_matrix or job
        if "jobResult" in entry:
            # act gives all jobs of a matrix one result: who ends after a red one is red, too.
            run.jobs[job] = _of_steps(run, job) if of_matrix else entry["jobResult"]
        if entry.get("stepResult") and entry.get("stage", "Main") == "Main":
            run.steps[job, entry["step"]] = entry["stepResult"]
            run.seconds[job] = run.seconds.get(job, 0) + entry.get("executionTime", 0) / 1e9
        if entry.get("command") in ("error", "warning", "notice"):
            pairs = entry.get("kvPairs") or {}
            place = (pairs.get("file", ""), pairs.get("line", ""), pairs.get("title", ""))
            run.annotations.append(Annotation(job, entry["command"], entry["arg"], *place))
        if entry.get("command") == "summary":
            run.summaries[job] = run.summaries.get(job, "") + entry["content"]
        if entry.get("command") == "set-output":
            run.outputs[job, entry["name"]] = entry["arg"]
        if entry.get("raw_output"):
            run.said[job] = run.said.get(job, "") + entry["msg"]
    return run


def _of_steps(run: Run, job: str) -> str:
    """The result of a job by its own steps."""
    own = {result for (name, _), result in run.steps.items() if name == job}
    return "success" if own and "failure" not in own else "failure"

"""Check workflows and actions: pinned versions, visible failures, no needless permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from governed_ml.checks.files.texts import read
from governed_ml.checks.finding import CheckFinding
from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import first_line

PLACES = (
    "/.github/workflows/*.yml",
    "/.github/workflows/*.yaml",
    "*/action.yml",  # actions may be in any folder: `uses: ./tools/ours`
    "*/action.yaml",
)
COMMIT = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
IMAGE = re.compile(r".+@sha256:[0-9a-f]{64}")
USES = re.compile(r"^\s*(?:-\s+)?uses:\s*['\"]?([^\s'\"]+)['\"]?\s*(.*)$", re.MULTILINE)
VERSION = re.compile(r"#\s*v?\d+(\.\d+)*\b.*")
SILENT = re.compile(
    r"\|\|\s*\(?\s*(?:(?:/\S*/)?true\b|:(?=[\s)]|$)|exit 0|(?:echo|printf)\b)|"
    r"set \+[a-z]*e|set \+o (?:errexit|pipefail)|;\s*(?:true\b|exit 0)|[^&>]&\s*$",
    re.MULTILINE,
)
SECRET = re.compile(r"\$\{\{(?:(?!\}\}).)*\bsecrets\b", re.DOTALL)
UNSAFE = ("pull_request_target", "workflow_run", "issue_comment")
Found = Iterator[tuple[str, str]]


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find settings in workflows and composite actions that are unsafe or hide failures."""
    found: list[CheckFinding] = []
    for name in names:
        if any(fnmatch(f"/{name}", place) for place in PLACES):
            text = read(base / name).decode("utf-8", errors="replace")
            found += [CheckFinding(name, *one) for one in _wrong(name, text)]
    return found


def _wrong(name: str, text: str) -> Found:
    import yaml

    try:
        whole: Any = parse_yaml(text)
    except yaml.YAMLError as error:
        yield f"it is not valid YAML ({first_line(error, 120)})", "fix it"
        return
    if not isinstance(whole, dict):
        yield "it is empty", "write it, or remove it"
        return
    try:
        yield from _pinned(text, whole)
        is_action = not name.startswith(".github/workflows/")
        yield from _loud(whole, is_action)
        yield from _action(whole) if is_action else _workflow(whole)
    except (AttributeError, TypeError, KeyError):
        yield (
            "it does not have the form of a GitHub workflow",
            "run `uv run --group tools zizmor .github` to see why",
        )


def _jobs(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return whole.get("jobs") or {}


def _steps(whole: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [whole["runs"]] if "runs" in whole else list(_jobs(whole).values())
    return [step for part in parts for step in part.get("steps") or []]


def _pinned(text: str, whole: dict[str, Any]) -> Found:
    """Require a commit and a version comment for each action, and a digest for each image."""
    parts = [*_steps(whole), *_jobs(whole).values()]
    used = [str(part["uses"]) for part in parts if "uses" in part]
    lines = {match[1]: match[2] for match in USES.finditer(text)}
    for action in dict.fromkeys(used):
        if action.startswith(("./", "$/")):
            continue
        pin = "pin it to the full commit of a version: `uses: OWNER/NAME@COMMIT # v1.2.3`"
        if action.startswith("docker://"):
            yield from _image(action)
        elif not COMMIT.fullmatch(action):
            yield f"{action} is not pinned to a commit, but a tag or branch can be moved", pin
        elif not VERSION.fullmatch(lines.get(action, "")):
            yield f"{action[:48]}… has no comment with its version on its line", pin
    for job in _jobs(whole).values():
        for one in (job.get("container"), *(job.get("services") or {}).values()):
            yield from _image(one.get("image") if isinstance(one, dict) else one)
    yield from _image(whole.get("runs", {}).get("image"))


def _image(image: Any) -> Found:
    if image and image != "Dockerfile" and not IMAGE.fullmatch(str(image)):
        yield f"image {image} has no digest, but a tag can be moved", "write NAME@sha256:…"


def _loud(whole: dict[str, Any], is_action: bool) -> Found:
    """Require that no failure is ignored and that every script runs with pipefail."""
    for name, part in [*_jobs(whole).items(), *((_name(one), one) for one in _steps(whole))]:
        if part.get("continue-on-error", False) is not False:
            yield f"{name}: continue-on-error hides a failure", "remove it"
        silent = SILENT.search(str(part.get("run", "")))
        if silent:
            yield f"{name}: `{silent[0]}` hides a failure", "let the command fail"
        shell = part.get("shell", part.get("defaults", {}).get("run", {}).get("shell", "bash"))
        if is_action and "run" in part and "shell" not in part:
            shell = None
        if shell != "bash":
            yield f"{name}: the shell is {shell}, which hides a failure in a pipe", "`shell: bash`"


def _name(step: dict[str, Any]) -> str:
    return str(step.get("name") or step.get("uses") or step.get("run", "a step")).split("\n")[0]


def _workflow(whole: dict[str, Any]) -> Found:
    loose: dict[Any, Any] = whole
    on: Any = loose.get("on", loose.get(True))  # YAML 1.1 reads `on` as a boolean
    for event in [on] if isinstance(on, str) else on or ["no event at all"]:
        if event in UNSAFE or event == "no event at all":
            what = "anybody can start it with this repository's permissions"
            if event in UNSAFE:
                yield f"{event}: {what}", "use `pull_request`"
            else:
                yield f"{event}: the workflow never starts", "name an event under `on`"
    if whole.get("defaults", {}).get("run", {}).get("shell") != "bash":
        fix = "set `defaults: {run: {shell: bash}}` at the top"
        yield "the default shell has no pipefail and hides a failure in a pipe", fix
    if whole.get("permissions") != {}:
        fix = "set `permissions: {}` at the top, and give each job its own"
        yield "permissions at the top apply to every job", fix
    if SECRET.search(str(whole.get("env", ""))):
        yield "every job can read this secret", "name it in the step that needs it"
    for name, job in _jobs(whole).items():
        if not isinstance(job.get("permissions"), dict):
            fix = "give it some, such as `permissions: {contents: read}`"
            yield f"{name}: the job names no permissions of its own", fix
        if job.get("secrets") == "inherit":
            yield f"{name}: the job passes on every secret", "name those that it needs"
        if SECRET.search(str(job)) and "environment" not in job:
            fix = "name an environment, which says who may use the secret, and from which branch"
            yield f"{name}: no environment protects this secret", fix


def _action(whole: dict[str, Any]) -> Found:
    if SECRET.search(str(whole["runs"])):
        yield "an action holds a secret, and any job may use the action", "pass it as an input"

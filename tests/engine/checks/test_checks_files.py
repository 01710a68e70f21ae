"""`governance check notebooks`, `workflows`, `hygiene` and `secrets`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import baked
import pytest
import workflow_rules
import yaml
from checking import check, copy, put

from governed_ml.checks import workflows

pytestmark = pytest.mark.slow  # all together


@pytest.fixture
def own(project: baked.BakedProject, environment: Path, tmp_path: Path) -> baked.BakedProject:
    """A copy of the default project for one test."""
    return copy(project, environment, tmp_path)


# Notebooks


def notebook(**cell: Any) -> dict[str, Any]:
    """A notebook with one cell of code, as Jupyter writes it."""
    code = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1 + 1"}
    code |= {"execution_count": None, "outputs": []} | cell
    return {"cells": [code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


OUTPUT = {"output_type": "stream", "name": "stdout", "text": ["row 1\n"]}
NOTEBOOKS: dict[str, tuple[dict[str, Any], str]] = {
    "output.ipynb": (notebook(outputs=[OUTPUT], execution_count=3), "cell 1 has an output"),
    "count.ipynb": (notebook(execution_count=3), "cell 1 has an execution count"),
    "widget.ipynb": (
        notebook() | {"metadata": {"widgets": {"state": {"a": 1}}}},
        "the state of widgets",
    ),
    "kept.ipynb": (
        notebook(outputs=[OUTPUT], metadata={"keep_output": True}),
        "cell 1 says keep_output",
    ),
    "tagged.ipynb": (
        notebook(outputs=[OUTPUT], metadata={"tags": ["keep_output"]}),
        "cell 1 says keep_output",
    ),
}


def test_a_notebook_that_was_run_is_found_and_stripped(own: baked.BakedProject) -> None:
    # Given notebooks with outputs, counts, widgets and marks that keep outputs, and a clean one
    for name, (values, _) in NOTEBOOKS.items():
        put(own, f"notebooks/{name}", json.dumps(values))
    put(own, "notebooks/clean.ipynb", json.dumps(notebook()))
    put(own, "notebooks/broken.ipynb", '{"cells": [')
    put(own, "notebooks/other.ipynb", "[]")
    # When they are checked
    found = check(own, "notebooks")
    # Then each that was run is named with a cell and the command, and so is what is no notebook
    broken = {"notebooks/broken.ipynb", "notebooks/other.ipynb"}
    assert found.keys() == {f"notebooks/{name}" for name in NOTEBOOKS} | broken
    for name, (_, said) in NOTEBOOKS.items():
        assert said in found[f"notebooks/{name}"]
        assert f"`uv run nbstripout notebooks/{name}`" in found[f"notebooks/{name}"]
    assert all("not a readable notebook" in found[name] for name in broken)
    # And nbstripout makes the check content
    names = [f"notebooks/{name}" for name in ("output.ipynb", "count.ipynb", "widget.ipynb")]
    own.run(["nbstripout", *names])
    assert check(own, "notebooks", *names) == {}


# Workflows

PIN = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
GOOD = f"""\
on: push
permissions: {{}}
defaults:
  run:
    shell: bash
jobs:
  one:
    runs-on: ubuntu-latest
    permissions:
      contents: read
    steps:
      - uses: {PIN} # v7.0.1
      - uses: ./.github/actions/deploy
      - run: echo "done, or not"
        env:
          TOKEN: ${{{{ github.token }}}}
"""
SECRET = "${{ secrets.TOKEN }}"  # noqa: S105 - a name
BAD: dict[str, tuple[str, str, str]] = {  # text that is replaced, by what, what is said
    "tag": (
        f"{PIN} # v7.0.1",
        "actions/checkout@v7",
        "actions/checkout@v7 is not pinned to a commit",
    ),
    "branch": (f"{PIN} # v7.0.1", "actions/checkout@main", "is not pinned to a commit"),
    "short": (f"{PIN} # v7.0.1", "actions/checkout@3d3c42e # v7.0.1", "is not pinned to a commit"),
    "uncommented": (" # v7.0.1", "", "no comment with its version on its line"),
    "comment": ("# v7.0.1", "# the newest", "no comment with its version on its line"),
    "image": ("./.github/actions/deploy", "docker://alpine:3", "alpine:3 has no digest"),
    "container": (
        "    permissions:",
        "    container: python:3\n    permissions:",
        "python:3 has no",
    ),
    "shell": ("shell: bash", "shell: sh", "the default shell has no pipefail"),
    "default": ("defaults:\n  run:\n    shell: bash\n", "", "the default shell has no pipefail"),
    "step": ("        env:", "        shell: sh\n        env:", "the shell is sh"),
    "silent": ('"done, or not"', "done || true", "`|| true` hides a failure"),
    "colon": ('echo "done, or not"', '"make || :"', "hides a failure"),
    "echo": ('"done, or not"', "make || echo failed", "`|| echo` hides a failure"),
    "path": ('"done, or not"', "make || /bin/true", "`|| /bin/true` hides a failure"),
    "option": ('"done, or not"', "make; set +o pipefail", "`set +o pipefail` hides a failure"),
    "behind": ('echo "done, or not"', "make &", "hides a failure"),
    "inner": (
        "${{ github.token }}",
        "${{ format('{0}', secrets.A) }}",
        "no environment protects this",
    ),
    "set": ('"done, or not"', "done; set +e", "`set +e` hides a failure"),
    "continue": (
        "        env:",
        "        continue-on-error: true\n        env:",
        "continue-on-error",
    ),
    "expression": (
        "    steps:",
        "    continue-on-error: ${{ matrix.new }}\n    steps:",
        "one: continue-on-error hides a failure",
    ),
    "top": ("permissions: {}\n", "", "permissions at the top apply to every job"),
    "write": ("permissions: {}\n", "permissions: write-all\n", "permissions at the top"),
    "job": (
        "    permissions:\n      contents: read\n",
        "",
        "one: the job names no permissions of its own",
    ),
    "all": (
        "permissions:\n      contents: read",
        "permissions: write-all",
        "no permissions of its",
    ),
    "target": ("on: push", "on: [push, pull_request_target]", "pull_request_target: anybody can"),
    "map": ("on: push", "on: {workflow_run: {workflows: [a]}}", "workflow_run: anybody can"),
    "secret": ("${{ github.token }}", SECRET, "one: no environment protects this secret"),
    "env": ("defaults:", f"env:\n  T: {SECRET}\ndefaults:", "every job can read this secret"),
    "broken": ("on: push", "on: [", "is not valid YAML"),
    "list": (GOOD, "- a\n", "is empty"),
    "form": (GOOD.partition("jobs:")[2], " [a]\n", "does not have the form of a GitHub workflow"),
}
ACTION = {
    "name": "Ours",
    "description": "Ours",
    "runs": {"using": "composite", "steps": [{"run": "make", "shell": "bash"}]},
}


def test_unsafe_workflow_settings_are_found(own: baked.BakedProject) -> None:
    # Given workflows of which each has one fault, one that has none, and two actions
    for name, (old, new, _) in BAD.items():
        assert old in GOOD, name
        put(own, f".github/workflows/{name}.yml", GOOD.replace(old, new, 1))
    put(
        own,
        ".github/workflows/guarded.yaml",
        GOOD.replace("    steps:", "    environment: a\n    steps:"),
    )
    put(own, ".github/actions/good/action.yml", yaml.safe_dump(ACTION))
    step: dict[str, Any] = {"run": f"make {SECRET}"}
    runs = {"using": "composite", "steps": [step]}
    put(own, ".github/actions/bad/action.yaml", yaml.safe_dump(ACTION | {"runs": runs}))
    put(own, "tools/ours/action.yml", yaml.safe_dump(ACTION | {"runs": runs}))
    # When they are checked, with those of the template
    found = check(own, "workflows")
    # Then each is named with its fault alone, and the template's have none
    bad, elsewhere = ".github/actions/bad/action.yaml", "tools/ours/action.yml"
    assert found.keys() == {f".github/workflows/{name}.yml" for name in BAD} | {bad, elsewhere}
    for name, (_, _, said) in BAD.items():
        assert said in found[f".github/workflows/{name}.yml"], name
        assert len(found[f".github/workflows/{name}.yml"].splitlines()) == 1, name
    assert "the shell is None" in found[bad]
    assert "an action holds a secret" in found[bad]


@pytest.mark.parametrize("path", workflow_rules.files(), ids=workflow_rules.name)
def test_the_templates_own_workflows_keep_to_the_projects_check(path: Path) -> None:
    # Given a workflow or action of the template, or of a project, when a project's check looks
    base = path.parents[path.parts[::-1].index(".github")]
    names = [path.relative_to(base).as_posix()]
    # Then it finds nothing
    assert workflows.check(base, names) == []


# Secrets


def test_a_secret_is_found_in_a_file_of_any_name_and_encoding(own: baked.BakedProject) -> None:
    # Given a key under names that detect-secrets leaves out, in encodings that it cannot read
    key = "AKIA" + "Z7Q2" * 4
    names = ("docs/swagger_a.py", "poetry.lock", "package-lock.json", "docs/a.svg", "docs/a.css")
    for name in names:
        put(own, name, f"key: {key}\n")
    put(own, "docs/wide.md", f"key: {key}\n".encode("utf-16"))
    put(own, "docs/latin.yaml", f"# caf\xe9\nkey: {key}\n".encode("latin-1"))
    # When they are checked with the other checks of the same hook
    done = own.call("check", "hygiene,secrets,pii", code=1)
    # Then each is named, and not the key, and that a text is not UTF-8 keeps nobody from looking
    for name in (*names, "docs/wide.md", "docs/latin.yaml"):
        assert re.search(rf"{re.escape(name)}: line \d looks like a secret \(AWS", done.stderr), (
            name
        )
    for name in ("docs/wide.md", "docs/latin.yaml"):
        assert f"{name}: it is not UTF-8; save it as UTF-8" in done.stderr
    assert key not in done.stderr
    # And digests in lock files are none
    put(
        own, "other.lock", "".join(f'hash = "sha256:{n:064x}"\n' for n in range(2**200, 2**200 + 9))
    )
    assert check(own, "secrets", "other.lock") == {}


def test_the_engines_pin_is_no_secret_and_everything_else_on_its_line_is(
    own: baked.BakedProject,
) -> None:
    # Given the pin by a commit, when it is checked, then it is no secret
    assert check(own, "secrets") == {}
    # And in any other form, or any other file, such a number is one
    text = own.read("pyproject.toml")
    own.write("pyproject.toml", text.replace("\ngoverned-ml = { git", "\nother = { git"))
    assert "Hex High Entropy" in check(own, "secrets")["pyproject.toml"]
    pin = re.search(r"^governed-ml = .*$", text, re.MULTILINE)
    assert pin
    own.write("pyproject.toml", text)
    put(own, "docs/other.md", f"{pin[0]}\n")
    assert check(own, "secrets").keys() == {"docs/other.md"}

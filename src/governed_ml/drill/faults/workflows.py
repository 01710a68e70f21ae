"""Faults in workflows and actions: not pinned, hiding failures, with too many permissions."""

from __future__ import annotations

from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch

PIN = f"actions/checkout@{'3d3c42e5' * 5}"
SECRET = "${{ secrets.TOKEN }}"  # noqa: S105 - a name
LOOSE = f"""\
on: [push, pull_request_target, workflow_run, issue_comment]
permissions: write-all
env: {{TOKEN: "{SECRET}"}}
jobs:
  loose:
    runs-on: ubuntu-24.04
    permissions: write-all
    continue-on-error: true
    container: debian:12
    services: {{one: {{image: "redis:7"}}}}
    steps:
      - uses: actions/cache@v4
      - uses: {PIN}
      - uses: docker://alpine:3
      - {{name: silent-true, run: "governance gate || true"}}
      - {{name: silent-colon, run: "governance gate || :"}}
      - {{name: silent-exit, run: "governance gate || exit 0"}}
      - {{name: silent-set, run: "set +e"}}
      - {{name: silent-end, run: "governance gate; true"}}
      - {{name: silent-echo, run: "governance gate || echo failed"}}
      - {{name: silent-option, run: "set +o pipefail"}}
      - {{name: silent-behind, run: "governance gate &"}}
      - {{name: passed-over, continue-on-error: true, run: governance gate}}
      - {{name: shelled, shell: sh, run: governance gate}}
  handing:
    permissions: {{contents: read}}
    uses: ./.github/workflows/other.yml
    secrets: inherit
  unguarded:
    runs-on: ubuntu-24.04
    permissions: {{contents: read}}
    defaults: {{run: {{shell: sh}}}}
    steps:
      - env: {{TOKEN: "{SECRET}"}}
        run: governance gate
"""
ACTION = f"""\
name: Ours
description: Ours
runs:
  using: composite
  image: debian:12
  steps:
    - run: make {SECRET}
"""
TOLD = (  # messages about the workflow
    *("pull_request_target: anybody", "workflow_run: anybody can", "issue_comment: anybody can"),
    *("the default shell has no pipefail", "permissions at the top apply", "every job can read"),
    *("loose: the job names no permissions of its own", "loose: continue-on-error hides a failure"),
    *("image debian:12 has no digest", "image redis:7 has no", "image docker://alpine:3 has no"),
    *(
        "actions/cache@v4 is not pinned to a commit",
        "has no comment with its version on its line",
    ),
    *(r"silent-true: `\|\| true` hides", r"silent-colon: `\|\| :` hides", "silent-end: `; true`"),
    *(r"silent-echo: `\|\| echo` hides", r"silent-option: `set \+o pipefail`", "silent-behind: `"),
    *(r"silent-exit: `\|\| exit 0` hides", r"silent-set: `set \+e` hides"),
    *("passed-over: continue-on-error hides", "shelled: the shell is sh"),
    *("unguarded: the shell is sh", "unguarded: no environment protects this secret"),
    "handing: the job passes on every secret",
)
OTHERS = {
    "workflows/torn.yaml": ("on: [\n", "is not valid YAML"),
    "workflows/list.yml": ("- a\n", "is empty"),
    "workflows/form.yml": ("on: push\njobs: [a]\n", "does not have the form of a GitHub workflow"),
    "workflows/idle.yml": ("name: idle\n", "no event at all"),
    "actions/ours/action.yaml": (ACTION, "the shell is None"),
}


def workflow(scratch: Scratch) -> Sign:
    """Commit workflows and an action with every fault that the check must find."""
    sign = scratch.plant_each(".github/", OTHERS)
    elsewhere = scratch.plant_each("", {"tools/ours/action.yml": (ACTION, "the shell is None")})
    scratch.plant({".github/workflows/loose.yml": LOOSE})
    told = [rf"workflows/loose\.yml: .*{words}" for words in TOLD]
    told += [
        rf"ours/action\.yaml: {words}" for words in ("an action holds a secret", "image debian:12")
    ]
    return Sign((*sign.each, *elsewhere.each, *told))


FAULTS = (
    Fault("silent-workflow", "workflows ignore failures", (18,), ("check", "workflows"), workflow),
)

"""Faults in what is committed: each is what `governance check NAME` looks for, hook or no hook."""

from __future__ import annotations

import json
import re
from typing import Any

from .. import tables
from ..evidence import path_of
from .fault import Fault, Sign
from .faults_data import rewrite
from .scratch import PACKAGE, Scratch

MAIL = "@".join(("jane.roe", "contoso.com"))  # in parts: this file is looked at, too
IBAN = " ".join(("DE89", "3704", "0044", "0532", "0130", "00"))
LINES = 300  # of a table under an innocent name
SILENT = """\
name: extra
on: push
permissions: {}
defaults: {run: {shell: bash}}
jobs:
  check:
    runs-on: ubuntu-24.04
    permissions: {contents: read}
    steps:
      - run: governance gate || true
"""


def governed(scratch: Scratch) -> Sign:
    """Edit the gate's own code."""
    name = f"src/{PACKAGE}/governance/policy.py"
    path = scratch.project / name
    scratch.add(name, path.read_text(encoding="utf-8") + "\n# nobody will notice\n")
    return Sign(rf"{re.escape(name)}: .*changed")


def rows_in_git(scratch: Scratch) -> Sign:
    """Commit a table as a text."""
    lines = "".join(f"{one};{one * one};town {one % 7}\n" for one in range(LINES))
    scratch.add("docs/notes.txt", lines)
    return Sign(r"docs/notes\.txt: .*table")


def notebook(scratch: Scratch) -> Sign:
    """Commit a notebook with what it printed."""
    output = {"output_type": "stream", "name": "stdout", "text": ["rows\n"]}
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": ["table"]}
    cell |= {"execution_count": 1, "outputs": [output]}
    whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    scratch.add("notebooks/drill.ipynb", json.dumps(whole))
    return Sign(r"notebooks/drill\.ipynb: .*output")


def workflow(scratch: Scratch) -> Sign:
    """Let a workflow pass over a failure."""
    scratch.add(".github/workflows/extra.yml", SILENT)
    return Sign(r"extra\.yml: .*turns red into green")


def personal(scratch: Scratch) -> Sign:
    """Commit direct identifiers."""
    scratch.add("docs/contacts.md", f"Ask Jane: {MAIL}, IBAN {IBAN}\n")
    return Sign(r"docs/contacts\.md: .*(e-mail|IBAN)")


def personal_column(scratch: Scratch) -> Sign:
    """Let e-mail addresses into a column of the table."""
    numeric, categorical = scratch.features()
    name = [*categorical, *numeric][0]
    rewrite(scratch, tables.RAW, lambda frame: frame.assign(**{name: MAIL}))
    return Sign(rf"{re.escape(name)}.*e-mail")


def by_hand(scratch: Scratch) -> Sign:
    """Edit the composed configuration instead of `conf/`."""
    scratch.edit_yaml("params.yaml", lambda values: values.update(seed=values["seed"] + 1))
    scratch.commit("Another seed")
    return Sign(r"seed .*params\.yaml")


def frozen(scratch: Scratch) -> Sign:
    """Freeze a stage: DVC never runs it again, and says that all is up to date."""
    scratch.edit_yaml("dvc.yaml", lambda whole: whole["stages"]["fairness"].update(frozen=True))
    scratch.commit("Fairness is fine")
    return Sign(r"dvc\.yaml: .*fairness.*frozen")


def stale_lock(scratch: Scratch) -> Sign:
    """Commit a lock that speaks of another table than the evidence."""

    def other(lock: Any) -> None:
        for stage in lock["stages"].values():
            for one in (*stage.get("deps", []), *stage.get("outs", [])):
                if one["path"] == tables.RAW.as_posix():
                    one["md5"] = "0" * 32

    scratch.edit_yaml("dvc.lock", other)
    scratch.commit("Another table")
    return Sign(r"data/raw\.parquet: is not what ingest wrote")


def by_nobody(scratch: Scratch) -> Sign:
    """Commit evidence that no stage has written: DVC's lock has another."""

    def better(found: dict[str, Any]) -> None:
        found["metrics"]["max_psi_quantile10"].update(value=0.0)

    scratch.edit(path_of("drift").as_posix(), better)
    scratch.commit("Better evidence")
    return Sign(r"reports/evidence/drift\.json: is not what drift wrote")


GOVERNED, DATA, NOTEBOOKS, WORKFLOWS, PII, CONFIG, LINEAGE = (
    ("check", name)
    for name in (
        *("governed-files", "data-in-git", "notebooks", "workflows", "pii", "config", "lineage"),
    )
)
FAULTS = (
    Fault("governed-file", "the gate's code was edited", (40,), GOVERNED, governed),
    Fault("data-in-git", "a table under an innocent name", (), DATA, rows_in_git),
    Fault("notebook", "a notebook with its output", (), NOTEBOOKS, notebook),
    Fault("silent-workflow", "a failure is passed over", (18,), WORKFLOWS, workflow),
    Fault("pii", "identifiers in a file", (), PII, personal),
    Fault("pii-column", "e-mail addresses in a column", (), PII, personal_column),
    Fault("edited-params", "params.yaml by hand", (12,), CONFIG, by_hand),
    Fault("frozen-stage", "a stage never runs again", (13,), LINEAGE, frozen),
    Fault("stale-lock", "dvc.lock has another table", (15,), LINEAGE, stale_lock),
    Fault("edited-evidence", "evidence by hand", (13,), LINEAGE, by_nobody),
)

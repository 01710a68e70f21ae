"""Faults in committed files: generated files, notebooks, secrets, hygiene.

Each is found by `governance check NAME`, with or without a hook. All variants are planted at once.
"""

from __future__ import annotations

import json
from typing import Any

from governed_ml.core.repository import git
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch

WORKFLOW = ".github/workflows/governance.yml"

AWS = "key: AK~IAIOSFODNN7EXAMPLA\n"
RANDOM = "c3VwZXIgbG9uZy~BzdHJpbmcgc2hvdWxkIGNhdXNl/Wx+9Qz"
SECRETS: dict[str, tuple[str | bytes, str]] = {
    "aws.md": (AWS, "AWS Access Key"),
    "key.txt": ("-----BEGIN RSA PRI~VATE KEY-----\n", "Private Key"),
    "login.py": ('pass~word = "Tr0ub4dor&3x"\n', "Secret Keyword"),
    "login.md": ("Try https:~//jane:Tr0ub4dor3x~@db.contoso.com\n", "Basic Auth"),
    "token.md": ("gh~p_wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx\n", "GitHub Token"),
    "random.py": (f'A = "{RANDOM}"\n', "Base64 High Entropy"),
    "hex.py": ('A = "2b00042f7481c7~b056c4b410d28f33cf"\n', "Hex High Entropy"),
    "plain.yaml": (f"drill: {RANDOM}\n", "Base64 High Entropy"),  # without quotes
    "package-lock.json": (f'{{"{AWS.strip()}": 1}}\n', "AWS Access Key"),
    "swagger.md": (AWS, "AWS Access Key"),
    "picture.svg": (AWS, "AWS Access Key"),
    "wide.txt": (AWS.replace("~", "").encode("utf-16"), "AWS Access Key"),
}
HYGIENE: dict[str, tuple[str | bytes, str]] = {
    "blanks.txt": ("one  \ntwo\n", "blanks at the end of a line"),
    "end.txt": ("one", "did not end with one newline"),
    "ends.txt": (b"one\ntwo\r\nthree\n", "several kinds of line endings"),
    "merged.txt": ("<~<<<<<< ours\n", "Merge conflict"),
    "key.txt": ("-----BEGIN RSA PRI~VATE KEY-----\n", "has a private key"),
    "twin.txt": ("one\n", "only in letter case"),
    "Twin.txt": ("one\n", "only in letter case"),
    "torn.yaml": ("a: [1\n", "."),
    "torn.json": ('{"a": 1\n', "json decode"),
    "torn.toml": ("a = [1\n", "."),
    "wide.txt": ("wide\n".encode("utf-16"), "is not UTF-8"),
}
CELL: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": ["table"], "outputs": []}
PRINTED = [{"output_type": "stream", "name": "stdout", "text": ["rows\n"]}]
KEEPS = "keep_output"
CELLS: dict[str, tuple[dict[str, Any], str]] = {
    "printed.ipynb": ({"outputs": PRINTED}, "an output"),
    "counted.ipynb": ({"execution_count": 1}, "an execution count"),
    "old.ipynb": ({"prompt_number": 1}, "an execution count"),
    "LOUD.IPYNB": ({"outputs": PRINTED}, "an output"),
    "kept.ipynb": ({"metadata": {KEEPS: True}}, f"cell 1 says {KEEPS}"),
    "tagged.ipynb": ({"metadata": {"tags": [KEEPS]}}, f"cell 1 says {KEEPS}"),
}


def generated(scratch: Scratch) -> Sign:
    """Edit a workflow, a hook and a stage from the template.

    Add a job with a required check's name.
    """
    stages = (scratch.project / "dvc.yaml").read_bytes()
    hooks = (scratch.project / ".pre-commit-config.yaml").read_bytes()
    judge = (scratch.project / WORKFLOW).read_bytes()
    poser = (
        "on: push\njobs:\n  easy:\n    name: decision\n    runs-on: ubuntu-latest\n    steps: []\n"
    )
    return scratch.plant_each(
        "",
        {
            WORKFLOW: (judge.replace(b"governance gate", b"echo"), "it differs from this engine's"),
            ".github/workflows/drill.yml": (poser, "has a job that reports as 'decision'"),
            ".pre-commit-config.yaml": (
                hooks.replace(b"governance check lineage", b"echo"),
                "lineage differs from the template",
            ),
            "dvc.yaml": (
                stages.replace(b"cmd: governance stage fairness", b"cmd: echo fair"),
                "fairness differs from the template: cmd",
            ),
        },
    )


def notebook(scratch: Scratch) -> Sign:
    """Commit notebooks with outputs, or with a tag that keeps outputs."""
    form: dict[str, Any] = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    books = {
        name: (json.dumps(form | {"cells": [CELL | cell]}), words)
        for name, (cell, words) in CELLS.items()
    }
    state = form | {"cells": [CELL], "metadata": {"widgets": {"state": {}}}}
    kept = form | {"cells": [CELL], "metadata": {KEEPS: True}}
    sheet = form | {"worksheets": [{"cells": [CELL | {"outputs": PRINTED}]}]}
    books["widgets.ipynb"] = (json.dumps(state), "the state of widgets")
    books["all.ipynb"] = (json.dumps(kept), f"the notebook says {KEEPS}")
    books["sheet.ipynb"] = (json.dumps(sheet), "an output")
    books["torn.ipynb"] = ('{"cells": [\n', "not a readable notebook")
    return scratch.plant_each("notebooks/drill/", books)


def secrets(scratch: Scratch) -> Sign:
    """Commit keys and passwords, also in files that scanners skip because of their names."""
    sign = scratch.plant_each("docs/drill/", SECRETS)
    scratch.plant({"reports/drill.md": AWS})
    return Sign((*sign.each, r"^reports/drill\.md: .*AWS Access Key"))


def hygiene(scratch: Scratch) -> Sign:
    """Commit conflict markers, invalid files, and names that differ only in case."""
    return scratch.plant_each("docs/drill/", HYGIENE)


def removed(scratch: Scratch) -> Sign:
    """Only delete files, for which pre-commit runs no hook."""
    contract = scratch.params().data.contract
    evidence = "reports/evidence/drift.json"
    git(scratch.project, "rm", "--quiet", "--force", "--", contract, WORKFLOW, evidence)
    return Sign(
        (
            rf"{WORKFLOW}: it is missing",
            rf"{evidence}: it is missing, but drift wrote it",
            r"^note: loosened: validate\.contract",
        )
    )


FAULTS = (
    Fault(
        "generated-file", "a gate's workflow was edited", (40,), ("check", "scaffold"), generated
    ),
    Fault("notebook", "notebooks contain outputs", (), ("check", "notebooks"), notebook),
    Fault("secret", "files contain keys or passwords", (), ("check", "secrets"), secrets),
    Fault(
        "unclean-file",
        "files are damaged, or a merge left its marks",
        (),
        ("check", "hygiene"),
        hygiene,
    ),
    Fault(
        "removed-file", "a commit removes what checks need", (40,), ("check", "removed"), removed
    ),
)

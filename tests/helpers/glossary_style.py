"""The words that the glossary retires: for the tests, and as a style file for textlint.

`python tasks.py reference` writes the style file; `python tasks.py words` checks the pages with it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
STYLE = ROOT / ".textlint" / "glossary.yml"
OTHER_SENSES = {
    "hash": r"(a|an|the|its|another|other|no|or|of|without) hash(es)?",  # the verb is right
    "level": r"risk levels?",  # monitoring has levels
    "line": r"(run|start|stop)s? the line|the line (run|start|stop)s?",  # of a file, of a message
    "log": r"(audit|governance|event) logs?",  # of predictions, of MLflow, of a command
    "record": r"records? (of|in) the ledger",  # the verb; RECORD of an installed package
    "report": r"reports? of (a|the) stage",  # the verb; Evidently's; the folder reports/
    "result": r"results? of (a|the) (rule|gate)",  # of a job of a workflow
    "schema": r"(data|table)'?s? schemas?",  # JSON Schemas of evidence
    "step": r"steps? of the pipeline|pipeline steps?",  # of a workflow, as GitHub says
}
"""Retired words that also have another sense → the phrases in which the retired sense is meant."""
OTHER_FORMS = {
    "fix": r"repair(s|ed)|put(s|ting)? right|mend(s|ed|ing)",
    "run": r"sprung|went through",
    "any": r"whatever",
}
"""A term → retired words that its row in the glossary does not spell out."""
HEAD = """\
# The words that docs/glossary.md retires, for textlint (https://github.com/prh/prh).
# `python tasks.py reference` writes this file. Do not edit it: edit the glossary.
version: 1
rules:
"""


def _word(word: str) -> str:
    plural = "(es)?" if word.endswith(("s", "sh", "ch", "x")) else "s?"
    return re.escape(word).replace(r"\ ", " ").replace(r"\-", "-") + plural


def patterns() -> dict[str, str]:
    """Return term → a pattern of the words that it replaces, except those that are terms."""
    text = GLOSSARY.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z][a-z ]*?) +\| .* \| ([^|]*?) *\|$", text, re.M)[1:]
    terms = {term for term, _ in rows}
    found: dict[str, list[str]] = {}
    for term, words in rows:
        retired = {one.strip() for one in words.split(",") if one.strip()} - terms
        for word in sorted(retired):
            found.setdefault(term, []).append(OTHER_SENSES.get(word) or _word(word))
    for term, forms in OTHER_FORMS.items():
        found.setdefault(term, []).append(forms)
    # A phrase may go over the end of a line.
    return {term: rf"\b({'|'.join(one)})\b".replace(" ", r"\s+") for term, one in found.items()}


def style() -> str:
    """Return the style file: each pattern with the term to write, and an example of it."""
    rules = [
        f"  - expected: {term}\n    pattern: {json.dumps(f'/{pattern}/i')}\n"
        for term, pattern in patterns().items()
    ]
    return HEAD + "".join(rules)

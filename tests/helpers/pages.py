"""The page for people in tests: drawn in this process from a folder of records, and read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import baked
import pytest

HEAVY = {"data", "models", "mlruns", "mlflow.db", "src", ".dvc"}
VOID = {"meta", "link", "br", "wbr", "rect", "polyline", "circle", "polygon", "path"}


@dataclass
class Page(HTMLParser):
    """What a page consists of: elements in order, and the text of each."""

    source: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the whole page."""
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.feed(self.source)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself, as those of SVG do."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Every element is closed in its order."""
        assert self.open.pop() == tag, (tag, self.getpos())
        if tag in ("td", "th", "li", "p", "dt", "dd"):
            self.texts.append(("", " "))

    def handle_data(self, data: str) -> None:
        """Note a text and the element that it is in."""
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements with this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All that a person can read, with single blanks."""
        shown = (text for tag, text in self.texts if tag not in ("style", "title"))
        return " ".join("".join(shown).split())

    @property
    def verdict(self) -> str:
        """The verdict as it stands at the top."""
        found = re.search(r'id="verdict-h">.*?</span>\s*(.*?)</h2>', self.source, re.DOTALL)
        assert found
        return found[1].lower()


def lean(project: baked.BakedProject, folder: Path) -> Path:
    """Copy a project's records without its data, models and code."""
    top = str(project.path)
    return shutil.copytree(
        project.path,
        folder / "records",
        ignore=lambda here, names: HEAVY & set(names) if here == top else (),
    )


def draw(base: Path) -> Page:
    """Draw a folder's page in this process."""
    path, _ = import_module("governed_ml.page.draw").draw(base)
    return Page((base / path).read_text(encoding="utf-8"))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file in place."""
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def monitored(base: Path, number: int, **details: Any) -> None:
    """Append one window of monitoring to a folder's ledger."""
    known = {
        "window": number,
        "batch": f"week-{number}.csv",
        "digest": f"sha256:{number:064x}",
        "rows": 1000 + number,
        "labelled": 800,
        "from": None,
        "to": None,
        "level": "healthy",
        "reasons": [],
        "values": {"drift.data[income]": 0.01 * number, "performance.roc_auc": 0.8},
        "risk": 10.0 * number,
    }
    append = import_module("governed_ml.ledger.storage").append
    crowned(base)
    append(base, "monitored", version=1, subject={"model": "sha256:1"}, details=known | details)


def crowned(base: Path) -> None:
    """Make version 1 champion, if the ledger is empty; without the proof that a real one needs."""
    storage = import_module("governed_ml.ledger.storage")
    if not storage.read(base):
        yes = {"approver": "owner", "roles": ["model-owner"], "source": "ssh", "time": "-"}
        for action in ("registered", "approved", "promoted"):
            given = [yes] if action == "approved" else []
            storage.append(base, action, version=1, subject={"model": "sha256:1"}, approvals=given)


@contextmanager
def without_proof() -> Generator[None]:
    """Let every legal event count: here is tested what a page shows of it."""
    proof = import_module("governed_ml.registry.approval.event_proof").Proof
    with mock.patch.object(proof, "doubt", return_value=None):
        yield


def denied(base: Path) -> None:
    """Make of a folder's decision a deny: one rule failed, another rests on too few rows."""

    def change(decision: dict[str, Any]) -> None:
        decision["verdict"] = "deny"
        for rule in decision["rules"]:
            if rule["id"] == "fairness.demographic_parity[sex]":
                rule |= {"verdict": "fail", "value": 0.21, "interval": [0.18, 0.24]}
                rule["reason"] = "0.21 in [0.18, 0.24]; female vs male; at most 0.1 allowed"
            if rule["id"] == "evaluate.roc_auc":
                rule |= {"verdict": "insufficient", "value": None, "reason": "rests on 12 rows"}

    edit(base / "reports/decision.json", change)


@pytest.fixture
def records(project_after_run: baked.BakedProject, tmp_path: Path) -> Path:
    """The records of the default project after its pipeline ran, for one test to change."""
    return lean(project_after_run, tmp_path)


@pytest.fixture(autouse=True)
def unproven() -> Generator[None]:
    """Every legal event counts here."""
    with without_proof():
        yield


def other_evidence(base: Path) -> None:
    """Change a number in the evidence by hand."""
    path = base / "reports/evidence/evaluate.json"
    edit(path, lambda one: one["metrics"]["roc_auc"].update(value=0.99))

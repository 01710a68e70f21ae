"""`governance lineage show`: answers from records, "no record" where there is none."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import baked
import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow


def shown(project: BakedProject, *arguments: str) -> list[dict[str, Any]]:
    """What the command answers, as JSON."""
    return json.loads(project.governance("lineage", "show", *arguments, "--json").stdout)


def test_an_unregistered_model_is_described_from_its_records(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a model that is not registered, with all its records and without data
    project = baked.copy_project(
        project_after_run, tmp_path, "cache", "tmp", "*.parquet", "*.skops"
    )
    train = json.loads(project.read("reports/evidence/train.json"))
    ingest = json.loads(project.read("reports/evidence/ingest.json"))
    decision = json.loads(project.read("reports/decision.json"))
    # When it is shown, then each question has the record's answer
    [found] = shown(project)
    assert found["model"]["digest"] == train["subject"]["model"]
    assert found["data"]["source"] == ingest["body"]["uri"]
    assert found["data"]["digest"] == ingest["subject"]["inputs"]["data/raw.parquet"]
    assert found["data"]["rows"] == ingest["body"]["rows"]
    assert found["code"]["commit"] == baked.git(project.path, "rev-parse", "HEAD")
    assert found["code"]["train"] == train["subject"]["code"]
    assert found["parameters"]["learning_rate"] == train["body"]["parameters"]["learning_rate"]
    assert found["environment"]["scikit-learn"] == train["tools"]["scikit-learn"]
    assert found["policy"]["digest"] == decision["policy_digest"]
    assert found["policy"]["verdict"] == "allow"
    # And what nobody recorded is not made up
    assert found["model"]["version"] is None
    assert found["approved"] == {"by": None}
    assert found["data"]["source digest"] is None
    text = project.governance("lineage", "show").stdout
    assert re.search(r"approved +by +no record", text)
    assert text.startswith("the model here, which is not registered")
    # And the records that are gone, or are not what the lock says, are no records any more
    (project.path / "reports/evidence/ingest.json").unlink()
    project.write("reports/evidence/train.json", json.dumps(train | {"tools": {}}))
    [found] = shown(project)
    assert found["data"]["source"] is None
    assert found["model"]["digest"] is None


def test_the_graph_is_drawn_for_people_and_programs(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a pipeline's records, when its graph is asked for
    project = baked.copy_project(
        project_after_run, tmp_path, "cache", "tmp", "*.parquet", "*.skops"
    )
    text = project.governance("lineage", "show", "--mermaid").stdout
    project.governance("lineage", "show", "--svg", "graph.svg")
    # Then Mermaid has every stage and table, and edges between what it has
    nodes = re.findall(r"^  (n\d+)[\[({]", text, re.MULTILINE)
    edges = re.findall(r"^  (n\d+) --> (n\d+)$", text, re.MULTILINE)
    assert {end for edge in edges for end in edge} <= set(nodes)
    assert "data/split/train.parquet<br/>sha256:" in text
    assert len(edges) >= len(nodes) - 1
    # And the picture is one file that needs no other, for light and dark
    picture = project.read("graph.svg")
    root = ET.fromstring(picture)  # noqa: S314 - our own
    assert len(root.findall(".//{*}rect")) == len(nodes)
    assert len(root.findall("{*}path")) == len(edges)
    assert "prefers-color-scheme:dark" in picture
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|<script|href", picture)


def test_foreign_names_are_escaped_in_the_graph() -> None:
    # Given names that are syntax
    graphs = import_module("governed_ml.lineage.graph")
    bad = ['"]; click n0 "javascript:x"', "<script>alert(1)</script>", "a\u202eb\n--> c", "end"]
    kinds = ["data", "stage", "event", "data"]
    nodes = [graphs.Node(one, one, kind) for one, kind in zip(bad, kinds, strict=True)]
    graph = graphs.Graph(nodes, [(0, 1), (1, 2), (2, 3)])
    # When they are drawn, then they are text
    text = graphs.mermaid(graph)
    for line in text.splitlines()[1:]:
        assert re.fullmatch(
            r'  (n\d+(\["[^"<>]*<br/>[^"<>]*"\]|\("[^"<>]*<br/>[^"<>]*"\)|'
            r'\{\{"[^"<>]*<br/>[^"<>]*"\}\}):::\w+|n\d+ --> n\d+|classDef .*)',
            line,
        ), line
    root = ET.fromstring(graphs.svg(graph, bad[1]))  # noqa: S314 - our own
    assert not root.findall(".//{*}script")
    assert root.findtext("{*}title") == bad[1]


def test_consecutive_windows_are_one_node_of_the_graph() -> None:
    # Given a champion that was monitored on each day of a year, rolled back, and once again
    graphs = import_module("governed_ml.lineage.graph")
    told = ["promoted", *["monitored"] * 365, "rolled_back", "monitored"]
    events = [
        SimpleNamespace(
            event=SimpleNamespace(
                action=action, version=1, sequence=n, actor="a", approvals=(), time=f"day {n:06}"
            )
        )
        for n, action in enumerate(told, start=1)
    ]
    pipeline = SimpleNamespace(steps={}, digests={}, decision=None)
    version = SimpleNamespace(number=1, state="champion", entries=events)
    nodes, edges = dict[str, Any](), dict[tuple[str, str], None]()
    # When its graph is made
    graphs._released(pipeline, version, nodes, edges)
    # Then its windows in a row are one, with the first and the last day
    assert [(one.title, one.note) for one in nodes.values()] == [
        ("promoted (version 1)", "day 000001 a"),
        ("monitored 365 times (version 1)", "day 000002 to day 000366"),
        ("rolled back (version 1)", "day 000367 a"),
        ("monitored (version 1)", "day 000368 a"),
        ("champion", "version 1"),
    ]


def test_a_version_is_described_from_ledger_and_commit(contested: BakedProject) -> None:
    # Given version 1 as champion, and version 2, approved, here
    events = registry.ledger(contested)
    one, two = (next(e for e in events if e["version"] == n)["subject"] for n in (1, 2))
    # When nothing is named, then both are told
    here, champion = shown(contested)
    assert (here["model"]["version"], here["model"]["alias"]) == (2, "challenger")
    assert (champion["model"]["version"], champion["model"]["alias"]) == (1, "champion")
    for found, subject in ((here, two), (champion, one)):
        assert found["model"]["digest"] == subject["model"]
        assert found["data"]["digest"] == subject["data"]
        assert found["code"]["commit"] == subject["commit"]
        assert found["policy"]["digest"] == subject["policy"]
        assert found["policy"]["verdict"] == "allow"
        [(who, how)] = found["approved"].items()
        assert who.endswith(" owner")
        assert how.startswith("as model-owner, ")
    assert champion["parameters"]["learning_rate"] != here["parameters"]["learning_rate"]
    assert any("promoted" in what for what in champion["when"])
    # And a version goes by its alias and by how its digest begins, too
    for name in ("champion", one["model"][:20]):
        assert shown(contested, name) == [champion], name
    assert "alias" in contested.governance("lineage", "show", "9f", code=1).stderr
    # And its graph goes on to the alias
    text = contested.governance("lineage", "show", "champion", "--mermaid").stdout
    assert "registered (version 1)" in text
    assert re.search(r'\{\{"champion<br/>version 1"\}\}', text)

"""Which source is read again: the commit's configuration says so, and it stays in the copy."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from governed_ml.core.problem import Problem
from governed_ml.registry.remeasure import recompute, source


@pytest.fixture
def bring(tmp_path: Path) -> Any:
    """Bring a configured source into a copy, where evidence names one; return the new files."""
    base, scratch = tmp_path / "work" / "base", tmp_path / "elsewhere" / "copy"
    (base / "data").mkdir(parents=True)
    scratch.mkdir(parents=True)
    for path in (base / "data/rows.csv", tmp_path / "rows.csv", tmp_path / "work/rows.csv"):
        path.write_text("a\n1\n", encoding="utf-8")

    def bring(named: str, **configured: str) -> tuple[tuple[str, ...], list[str]]:
        text = json.dumps({"data": {"source": configured}})
        (scratch / "params.yaml").write_text(text, encoding="utf-8")
        body = SimpleNamespace(source=named, uri=configured.get("path", ""))
        evidence: Any = SimpleNamespace(body=body)
        stages = source.bring(base, scratch, evidence)
        there = [path for path in tmp_path.rglob("rows.csv") if not path.is_relative_to(base)]
        return stages, sorted(path.relative_to(tmp_path).as_posix() for path in there)

    return bring


OUTSIDE = ["rows.csv", "work/rows.csv"]


@pytest.mark.parametrize(
    ("configured", "stages", "copied"),
    [
        ({"kind": "synthetic"}, ("ingest",), []),
        ({"kind": "file", "path": "data/rows.csv"}, ("ingest",), ["elsewhere/copy/data/rows.csv"]),
        ({"kind": "file", "path": "data/../data/rows.csv"}, ("ingest",),
         ["elsewhere/copy/data/rows.csv"]),
        ({"kind": "file", "path": "../rows.csv"}, (), []),
        ({"kind": "file", "path": "data/../../../rows.csv"}, (), []),
        ({"kind": "file", "path": "lost.csv"}, (), []),
        ({"kind": "file", "path": "https://example.org/rows.csv"}, (), []),
        ({"kind": "team", "function": "curated"}, (), []),
        ({"kind": "sql", "url": "sqlite:///x"}, (), []),
    ],
)  # fmt: skip
def test_trap_54_a_source_is_copied_into_the_copy_and_nowhere_else(
    bring: Any, configured: dict[str, str], stages: tuple[str, ...], copied: list[str]
) -> None:
    # Given a source, when it is brought, then only a file of the project is, to its own place
    assert bring(configured["kind"], **configured) == (stages, sorted([*OUTSIDE, *copied]))


def test_trap_42_evidence_does_not_say_which_source_is_read(bring: Any) -> None:
    # Given evidence that names the synthetic book, and a configuration that calls the team's code
    # When it would be measured again, then it is refused: that code runs with network and files
    with pytest.raises(
        Problem, match="names the source synthetic, but conf/ names team"
    ) as refused:
        bring("synthetic", kind="team", function="curated")
    assert refused.value.exit_code == 1


def test_a_stage_that_is_measured_again_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the key that signs models, and a webhook, when a stage is run again, then it has neither
    for name in ("GOVERNANCE_MODEL_KEY", "GOVERNANCE_WEBHOOK", "GOVERNANCE_TRACEBACK"):
        monkeypatch.setenv(name, "x")
    kept = {name for name in recompute.surroundings() if name.startswith("GOVERNANCE_")}
    assert kept == {"GOVERNANCE_TRACEBACK"}

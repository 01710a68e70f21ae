"""The benchmark script runs on a user's machine and says ratios. No time is asserted."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import baked
import pytest
from baked import BakedProject

SCRIPT = baked.ROOT / "tests" / "benchmarks" / "run.py"


@pytest.mark.nightly  # what it runs is no part of a project
def test_the_quick_benchmarks_report_ratios(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a finished default project and its environment
    results = tmp_path / "results.md"
    results.write_text("# Benchmarks\n\n## c. Gates\n\nkept\n")
    given = [
        "--environment",
        str(project_after_run.environment),
        "--project",
        str(project_after_run.path),
    ]
    # When generation, start-up and hooks are measured once
    command = [
        sys.executable,
        str(SCRIPT),
        "d",
        "e",
        "i",
        "--repeats",
        "1",
        "--output",
        str(results),
    ]
    baked.run_plain([*command, *given], tmp_path)
    # Then each line of both tables has a ratio, and the table that was there stays
    text = results.read_text(encoding="utf-8")
    ratios = re.findall(r"(?m)^\| [^|]+ \| [\d.]+ \| ([\d.]+) \|$", text)
    assert len(ratios) >= 2 + 11 + 8
    for name in ("no hooks", "words", "words: files", "the pipeline: lineage"):
        assert f"| {name} |" in text
    assert all(float(ratio) > 0 for ratio in ratios)
    assert "kept" in text
    # And no path of this machine is in it
    assert str(tmp_path) not in text
    assert str(project_after_run.environment) not in text

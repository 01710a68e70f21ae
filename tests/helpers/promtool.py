"""Prometheus's own checks of rules, tests and configurations: Debian's package `prometheus`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH: install Debian's package prometheus"
)


def promtool(folder: Path, *words: str) -> tuple[int, str]:
    """Run promtool in a folder; return its exit code and what it said."""
    done = subprocess.run(
        [str(PROMTOOL), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr

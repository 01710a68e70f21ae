"""What the tests of `init-data` share."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with `conf/`, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    return strangers.project(tmp_path)

"""What the doctor says of stores, where no project is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from governed_ml.core.shared_stores import shared_remote
from governed_ml.doctor.stores import dvc


@pytest.mark.parametrize(
    ("hosted", "runner"), [("", ""), ("true", "github-hosted"), ("true", "self-hosted")]
)
def test_an_address_that_dvc_cannot_read_is_no_shared_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosted: str, runner: str
) -> None:
    # Given a remote with a file:// address, of which DVC knows nothing, on any machine
    monkeypatch.setenv("GITHUB_ACTIONS", hosted)
    monkeypatch.setenv("RUNNER_ENVIRONMENT", runner)
    (tmp_path / ".dvc").mkdir()
    config = "[core]\nremote = s\n['remote \"s\"']\nurl = file:///srv/dvc\n"
    (tmp_path / ".dvc" / "config").write_text(config, encoding="utf-8")
    # When it is looked at, then nobody shares it, and the doctor says what to write
    assert not shared_remote(tmp_path)
    *_, row = dvc(tmp_path)
    assert row.state == "wrong"
    assert row.line == (
        "DVC cannot read file:///srv/dvc: write the folder's path in place of it: "
        "`uv run dvc remote modify`"
    )

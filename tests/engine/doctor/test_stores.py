"""What the doctor says of stores, where no project is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from governed_ml.core.shared_stores import shared_remote
from governed_ml.doctor.stores import dvc


def remote(base: Path, url: str) -> None:
    """Configure DVC's remote."""
    (base / ".dvc").mkdir(parents=True)
    config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n"
    (base / ".dvc" / "config").write_text(config, encoding="utf-8")


@pytest.mark.parametrize(
    ("hosted", "runner"), [("", ""), ("true", "github-hosted"), ("true", "self-hosted")]
)
def test_a_file_url_is_no_shared_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosted: str, runner: str
) -> None:
    # Given a remote with a file:// address, of which DVC knows nothing, on any machine
    monkeypatch.setenv("GITHUB_ACTIONS", hosted)
    monkeypatch.setenv("RUNNER_ENVIRONMENT", runner)
    remote(tmp_path, "file:///srv/dvc")
    # When it is looked at, then nobody shares it, and the doctor says what to write
    assert not shared_remote(tmp_path)
    *_, row = dvc(tmp_path)
    assert row.state == "wrong"
    assert row.line == (
        "DVC cannot read file:///srv/dvc: set it to the folder's path with `uv run dvc remote "
        "modify`"
    )


def test_a_remote_in_the_project_is_warned_of_and_one_in_the_home_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given remotes that are folders
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "file").touch()
    places = {"../store": "a", "~/dvc-remotes/loans": "b", "../../file/store": "c"}
    found = {}
    for url, name in places.items():
        remote(tmp_path / name, url)
        *_, row = dvc(tmp_path / name)
        found[url] = row
    # When they are looked at, then the doctor warns of one in the project, and says how to move it
    inside, outside, none = found.values()
    assert inside.state == "warning"
    assert inside.line == (
        "../store is inside the project, where no clone reaches it and `git clean -xfd` deletes "
        'it; move it with `uv run dvc remote modify s url "~/dvc-remotes/a"`, then run '
        "`uv run dvc push --all-commits`"
    )
    assert outside.state == "note"
    assert "is a folder of this machine" in outside.line
    assert (none.state, "cannot be created" in none.line) == ("wrong", True)

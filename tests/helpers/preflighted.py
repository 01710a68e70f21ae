"""A GitHub whose settings are as they must be, and what a preflight says does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import baked
import pytest
from github_projects import github, meet, settle
from github_stand_in import GitHubStandIn


@pytest.fixture(name="hub")
def hub_settled(
    loans: baked.BakedProject, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubStandIn]:
    """A GitHub with the project's main and the settings as they must be; no administrator asks."""
    with github(monkeypatch) as stand_in:
        meet(loans, stand_in)
        settle(stand_in)
        stand_in.settings.admin = False
        yield stand_in


def failures(found: Any, state: str = "fails") -> list[str]:
    """All that does not hold."""
    return [f"{one.name}: {one.line}" for one in found.checks if one.state == state]


def only(found: Any, *words: str) -> None:
    """One thing does not hold, and the words tell it; the line says what fixes it."""
    (line,) = failures(found)
    assert found.exit_code == 1
    for word in words:
        assert word in line, line

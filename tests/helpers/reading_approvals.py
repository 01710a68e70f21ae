"""A GitHub from which approvals are read, in a workflow, and what a call says that cannot judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from github_stand_in import GitHubStandIn

from governed_ml.core.problem import Problem
from governed_ml.github import client
from governed_ml.github import reviews as github

TOKEN = "ghp_T0SECRET"  # noqa: S105 - of these tests alone
HERE = Path()
VARIABLES = ("GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_TOKEN", "GH_TOKEN")


@pytest.fixture(name="hub")
def hub_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    """A GitHub with one repository, and the environment that a workflow has; pauses are short.

    What breaks GitHub's own description, in requests or answers, fails the test at its end.
    """
    monkeypatch.setattr(client, "PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with GitHubStandIn(token=TOKEN) as stand_in:
        for name, value in zip(VARIABLES, (stand_in.repository, stand_in.url, TOKEN), strict=False):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GH_TOKEN", raising=False)
        yield stand_in
    assert not stand_in.complaints


@pytest.fixture(name="nowhere")
def no_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the variables that speak of GitHub."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refused(call: Callable[[], Any], *words: str) -> str:
    """The one line with which a call could not judge; it holds no token."""
    with pytest.raises(Problem) as caught:
        call()
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in text
    assert TOKEN not in text
    for word in words:
        assert word in text
    return text


def said(answer: Any) -> list[tuple[str, str, str]]:
    """Who said what about which commit."""
    return [(one.login, one.state, one.commit) for one in answer.said]


READERS = [lambda: github.run_approvals(HERE, 7), lambda: github.reviews(HERE, 3)]
READ = pytest.mark.parametrize("reader", READERS, ids=["run", "pull"])

"""Which GitHub and which repository are asked, and which token goes there and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import baked
import pytest
from github_stand_in import GitHubStandIn
from reading_approvals import (
    HERE,
    READERS,
    TOKEN,
    hub_asked,  # noqa: F401 - a fixture
    no_github,  # noqa: F401 - a fixture
    refused,
)

from governed_ml.github import client
from governed_ml.github import reviews as github

# Where, and with what


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/loans",
        "https://github.com/acme/loans.git",
        "https://github.com/acme/loans/",
        "https://ada:secret@github.com/acme/loans.git",
        "https://GitHub.com/acme/loans.git",
        "https://github.com:443/acme/loans.git",
        "git@github.com:acme/loans.git",
        "git@github.com:/acme/loans.git",
        "org-7@github.com:acme/loans.git",
        "ssh://git@github.com/acme/loans.git",
        "ssh://git@ssh.github.com:443/acme/loans.git",
    ],
)
def test_the_repository_is_where_origin_is(tmp_path: Path, url: str) -> None:
    # Given a clone whose origin is on GitHub, however that is written
    baked.git(tmp_path, "init", "--quiet")
    baked.git(tmp_path, "remote", "add", "origin", url)
    # When it is asked which repository it is, then it knows
    assert client.repository(tmp_path) == "acme/loans"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", ["my.model", "my-model_2", ".github"])
def test_a_name_may_have_dots(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # Given a name that GitHub allows, when it is asked for, then it is taken
    monkeypatch.setenv("GITHUB_REPOSITORY", f"acme/{name}")
    assert client.repository(HERE) == f"acme/{name}"


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "url",
    [
        None,
        "/srv/git/acme/loans.git",
        "../loans",
        "file:///srv/acme/loans",
        "https://ada:secret@gitlab.com/acme/loans.git",
        "git@gitlab.com:acme/loans.git",
        "https://github.com.example.org/acme/loans",
        "https://github.com@example.org/acme/loans",
        "https://example.org/github.com/acme/loans",
        "https://github.example.org/acme/loans",
        "https://github.com/acme",
        "https://github.com/acme/..",
        "https://github.com/acme/loans/../../x",
        "https://github.com/acme/loans?x=1",
        "https://github.com/acme/loans%2f",
        "https://github.com/-acme/loans",
        "work:acme/loans",
    ],
)
def test_another_origin_is_refused(tmp_path: Path, url: str | None) -> None:
    # Given a clone whose origin is not there, not on GitHub, or no repository's address
    baked.git(tmp_path, "init", "--quiet")
    if url:
        baked.git(tmp_path, "remote", "add", "origin", url)
    # When it is asked which repository it is, then it asks for the name, and shows no password
    text = refused(lambda: client.repository(tmp_path), "set GITHUB_REPOSITORY to OWNER/NAME")
    assert "secret" not in text


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("api", "host"),
    [
        ("https://github.example.org/api/v3", "github.example.org"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
    ],
)
def test_another_github_is_asked_about_its_own_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, host: str
) -> None:
    # Given another GitHub's address, when origin is there, then that is the repository
    monkeypatch.setenv("GITHUB_API_URL", api)
    baked.git(tmp_path, "init", "--quiet")
    baked.git(tmp_path, "remote", "add", "origin", f"https://{host}/acme/loans")
    assert client.repository(tmp_path) == "acme/loans"
    # But its token asks it nothing about a namesake on github.com
    baked.git(tmp_path, "remote", "set-url", "origin", "https://github.com/acme/loans")
    refused(lambda: client.repository(tmp_path), "not on the GitHub at", api)


@pytest.mark.parametrize("name", ["acme", "acme/loans/x", "acme/..", "acme/lo ans", "a?b/c", "/x"])
def test_an_invalid_repository_name_is_refused(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Given a name that is no repository's, when approvals are read, then nothing is asked
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    refused(READERS[0], "GITHUB_REPOSITORY names no repository")
    assert not hub.asked


@pytest.mark.parametrize("token", [None, "", " \n"])
def test_without_a_token_it_says_what_to_set(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    # Given no token, when approvals are read, then it says what to set
    monkeypatch.delenv("GITHUB_TOKEN")
    if token is not None:
        monkeypatch.setenv("GITHUB_TOKEN", token)
    refused(READERS[0], "set GITHUB_TOKEN (or GH_TOKEN)")
    assert not hub.asked


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GH_TOKEN"])
def test_either_variable_may_hold_the_token(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Given the token in one of the variables, and a line's end after it
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv(name, f"{TOKEN}\n")
    hub.add_run(7)
    # When approvals are read, then it is the token
    assert github.run_approvals(HERE, 7).said == []


@pytest.mark.parametrize("token", [f"{TOKEN}\r\nX: y", f"{TOKEN} x", f"{TOKEN}é"])
def test_an_invalid_token_is_refused_without_being_shown(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    # Given a token with characters that no header holds, when approvals are read
    monkeypatch.setenv("GITHUB_TOKEN", token)
    # Then it is refused without being shown
    refused(READERS[0], "does not hold a token")
    assert not hub.asked


@pytest.mark.parametrize(
    "address",
    [
        "http://api.github.com",
        "https://u:p@x.org",
        "https://x.org?a",
        "x.org",
        "http://127.1.evil.org",
    ],
)
def test_a_token_is_never_sent_without_tls(
    hub: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    # Given an address without TLS, or none, when approvals are read, then nothing is asked
    monkeypatch.setenv("GITHUB_API_URL", address)
    refused(READERS[0], "GITHUB_API_URL is not an https://HOST/… address")


def test_importing_the_modules_loads_no_http_library() -> None:
    # Given a new process, when the modules are imported, then no HTTP library is
    script = (
        "import sys; from governed_ml.registry import notify; from governed_ml.cli import github; "
        "from governed_ml.github import apply, client, preflight, reviews; print(*sys.modules)"
    )
    done = baked.run_plain([sys.executable, "-c", script], HERE, 0)
    assert not {"githubkit", "httpx", "urllib3"} & set(done.stdout.split())

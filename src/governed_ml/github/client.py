"""Call GitHub's API: find repository and token, read all pages, and report errors in one line."""

# GitHub's client is an optional extra; type checks must also work without it.
# pyright: reportMissingImports=false
from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import TypeAdapter, ValidationError

from governed_ml.core.problem import Problem, cause, first_line
from governed_ml.core.repository import LOOPBACK, REMOTE, attempt

if TYPE_CHECKING:
    from githubkit import GitHub, Response, TokenAuthStrategy
    from githubkit.exception import GitHubException
    from githubkit.typing import RetryOption

VERSION = "2022-11-28"  # the next version lacks the merge commit
PATIENCE = timedelta(seconds=30)  # longest wait for a rate limit
RETRIES, PAUSE, TIMEOUT = 3, 1.0, 10.0  # pauses of 1, 2 and 4 s
PAGE, PAGES = 100, 100  # items per page (GitHub's maximum), and most pages
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*/(?!\.{1,2}$)[A-Za-z0-9._-]+"
ORIGIN = re.compile(
    r"(?:(?:https?|ssh)://(?:[^/@]*@)?|[^/:@]+@)(?P<host>[^/:@]+)(?::\d+(?=/))?[:/]/?(?P<name>.+)"
)
READS = "give it `actions: read` and `pull-requests: read`"
HINTS = {
    401: "the token is not valid; set GITHUB_TOKEN to a valid one",
    404: "it does not exist, or the token may not read it",
    409: "the organisation decides this; ask one of its owners to set it",
    410: "it is disabled; enable it in the repository's settings",
}
T = TypeVar("T")


class Refused(Problem):
    """GitHub refused a request; `status` distinguishes a missing item from missing permissions."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def repository(base: Path) -> str:
    """Return OWNER/NAME from GITHUB_REPOSITORY, or from git's remote `origin` on that server."""
    name, where = os.environ.get("GITHUB_REPOSITORY", "").strip(), "GITHUB_REPOSITORY"
    if not name:
        where = f"git's remote {REMOTE}"
        url = attempt(base, "remote", "get-url", REMOTE).stdout.decode(errors="replace").strip()
        found = ORIGIN.fullmatch(url)
        host = found["host"].lower().removeprefix("ssh.") if found else None
        if host is None or urlsplit(address()).hostname not in (host, f"api.{host}"):
            # The token must not be used for a repository of the same name on another server.
            raise Problem(
                f"{where} is not on the GitHub at {address()}: set GITHUB_REPOSITORY to OWNER/NAME "
                "(and GITHUB_API_URL, if it is another GitHub)"
            )
        name = found["name"].removesuffix("/").removesuffix(".git") if found else ""
    if not re.fullmatch(NAME, name):
        raise Problem(f"{where} names no repository: set GITHUB_REPOSITORY to OWNER/NAME")
    return name


def address() -> str:
    """Return the API's URL: GITHUB_API_URL, which workflows set, or that of github.com."""
    url = os.environ.get("GITHUB_API_URL", "").strip() or "https://api.github.com"
    host = re.fullmatch(r"(https?)://([^/@?#:\[\]]+|\[[0-9a-f:]+\])(:\d+)?(/[^?#]*)?", url)
    if not host or (host[1] == "http" and not LOOPBACK.fullmatch(host[2])):
        raise Problem(
            "GITHUB_API_URL is not an https://HOST/… address: correct it, or unset it for "
            "github.com"
        )
    return url


def connect() -> GitHub[TokenAuthStrategy]:
    """Return a client, to be used in a `with`. It connects only to `address()`."""
    token = _token()
    if not token:
        raise Problem("no token for GitHub: set GITHUB_TOKEN (or GH_TOKEN)")
    require_token(token, "GITHUB_TOKEN (or GH_TOKEN)")
    return client(token)


def require_token(token: str, where: str) -> None:
    """Raise `Problem` if a text cannot be a token; `where` names the variable that holds it."""
    if not re.fullmatch(r"[!-~]+", token):
        raise Problem(f"{where} does not hold a token: set it again")


def client(auth: Any) -> GitHub[Any]:
    """Return a client with a token, or with another of githubkit's ways to authenticate."""
    try:
        from githubkit import GitHub
    except ImportError as error:
        raise Problem("GitHub's client is missing: run `uv sync --extra github`") from error

    return GitHub(
        auth,
        base_url=address(),
        user_agent="governance",
        follow_redirects=False,
        timeout=TIMEOUT,
        http_cache=False,
        auto_retry=_again,
    )


def _token() -> str:
    return (os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or "").strip()


def at(
    github: GitHub[TokenAuthStrategy], path: str, method: str = "GET", body: Any = None
) -> Callable[..., Response[Any, Any]]:
    """Return a function that calls an endpoint by its path, for `read`, `read_all` and `write`."""
    path, _, given = path.partition("?")

    def call(headers: dict[str, str], **query: int) -> Response[Any, Any]:
        asked = {**dict(parse_qsl(given)), **query}
        return github.request(method, path, params=asked or None, json=body, headers=headers)

    return call


def read(kind: type[T], what: str, call: Callable[..., Response[Any, Any]], need: str = READS) -> T:
    """Call an endpoint and return its answer, with the fields that are used validated.

    `need` says which permissions to give the token if they are missing.
    """
    return _parsed(kind, what, _ask(what, call, need))


def write(what: str, call: Callable[..., Response[Any, Any]], need: str) -> None:
    """Call an endpoint that changes something. Its answer is ignored."""
    _ask(what, call, need, (200, 201, 204))


def read_all(
    kind: type[T], what: str, call: Callable[..., Response[Any, Any]], need: str = READS
) -> list[T]:
    """Return the items of all pages of a list."""
    found: list[T] = []
    for page in range(1, PAGES + 1):
        answer = _ask(what, call, need, per_page=PAGE, page=page)
        found += _parsed(list[kind], what, answer)
        if "next" not in answer.raw_response.links:
            return found
    raise Problem(
        f"GitHub has more than {PAGES} pages about {what}, which is more than the engine reads: "
        "report this as a bug of the engine (governed-ml)"
    )


def _ask(
    what: str,
    call: Callable[..., Response[Any, Any]],
    need: str,
    good: tuple[int, ...] = (200,),
    **options: int,
) -> Response[Any, Any]:
    """Call an endpoint; raise `Problem` for any answer whose status is not in `good`."""
    from githubkit.exception import RateLimitExceeded, RequestError, RequestFailed

    try:
        answer = call(headers={"X-GitHub-Api-Version": VERSION}, **options)
    except RateLimitExceeded as error:
        until = datetime.now(UTC) + error.retry_after
        raise Problem(
            f"GitHub does not answer about {what}: the token's rate limit is used up; run this "
            f"again after {until:%Y-%m-%d %H:%M:%S} UTC"
        ) from error
    except RequestFailed as error:
        status = error.response.status_code
        hint = HINTS.get(status, "run this again later")
        if status in (403, 422):
            hint = (
                f"the token lacks a permission; {need}"
                if status == 403
                else ("set it in the repository's settings")
            )
            hint += _said(error.response)
        raise Refused(f"GitHub answered {status} about {what}: {hint}", status) from error
    except RequestError as error:
        raise Problem(
            f"cannot reach GitHub at {address()} ({cause(error.exc)}): run this again later"
        ) from error
    except (ValueError, OverflowError) as error:  # a rate limit header that is not a number
        raise Problem(f"GitHub's answer about {what} is not readable: run this again") from error
    if answer.status_code not in good:
        raise Problem(
            f"GitHub answered {answer.status_code} about {what}: if the repository has moved, "
            "set GITHUB_REPOSITORY to where it is"
        )
    return answer


def _said(answer: Response[Any, Any]) -> str:
    """Return GitHub's reason for an error, with the token removed if it contains it."""
    try:
        said = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    plain = "".join(one if one.isprintable() else " " for one in said.replace(_token(), "…"))
    return f"; GitHub says: {first_line(ValueError(plain), 160)}"


def _parsed(kind: type[T], what: str, answer: Response[Any, Any]) -> T:
    try:
        return TypeAdapter(kind).validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise Problem(
            f"GitHub's answer about {what} is not as documented ({place}: "
            f"{first_line(ValueError(first['msg']), 120)}): report this as a bug of the "
            "engine (governed-ml)"
        ) from error


def _again(error: GitHubException, count: int) -> RetryOption:
    """Retry once after a short rate limit, and a few times after a server error."""
    from githubkit.exception import RateLimitExceeded, RequestError, RequestFailed
    from githubkit.typing import RetryOption

    if isinstance(error, RateLimitExceeded):
        wait = max(error.retry_after, timedelta(seconds=PAUSE))  # githubkit would turn 0 into 60 s
        return RetryOption(count < 1 and wait <= PATIENCE, wait)
    passing = not isinstance(error, RequestFailed) or error.response.status_code >= 500
    wait = timedelta(seconds=PAUSE * 2**count)
    return RetryOption(isinstance(error, RequestError) and passing and count < RETRIES, wait)

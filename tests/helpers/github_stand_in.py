"""GitHub for tests: a small server with state, whose requests and answers keep to GitHub's API.

Both are checked against GitHub's own OpenAPI description (`github_openapi.json`, made by
`cut_github_openapi.py`); what breaks it is in `complaints`. To add an operation, cut it in, and
write a method under `ROUTES`, for settings that of `github_settings_stand_in.py`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import baked
import github_app_stand_in as apps
import github_issues_stand_in as issues
import github_pulls_stand_in as pulls
import yaml
from github_settings_stand_in import Settings

if TYPE_CHECKING:  # they take seconds to import, and most tests ask nobody at GitHub
    from openapi_core import OpenAPI
    from openapi_core.testing import MockRequest

API = "https://api.github.com"
VERSIONS = ("2022-11-28", "2026-03-10")
HEAD = "a" * 40
NOT_FOUND = 404, {"message": "Not Found"}
Json = dict[str, Any]


@cache
def description() -> Json:
    """GitHub's OpenAPI description, cut down."""
    path = Path(__file__).parent / "github_openapi.json"
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def checker() -> OpenAPI:
    """The same, ready to check with."""
    from openapi_core import OpenAPI

    return OpenAPI.from_dict(description())


def minimal(schema: Json) -> Any:
    """The smallest value that a schema of the description allows."""
    if "$ref" in schema:
        part: Any = description()
        for name in schema["$ref"].removeprefix("#/").split("/"):
            part = part[name]
        return minimal(part)
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema and "properties" not in schema:
            return minimal(schema[choice][0])
    if schema.get("nullable"):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    formats = {"date-time": "2026-01-02T03:04:05Z", "uri": f"{API}/x"}
    plain = {"integer": 1, "number": 1.0, "boolean": False, "array": [], "string": "x"}
    if schema["type"] != "object":
        return formats.get(schema.get("format", ""), plain[schema["type"]])
    needed = schema.get("required", [])
    return {name: minimal(schema["properties"][name]) for name in needed}


def made(name: str, /, **values: Any) -> Json:
    """A value of a named schema: the smallest that is allowed, with some parts set."""
    return minimal({"$ref": f"#/components/schemas/{name}"}) | values


def user(login: str, kind: str = "User") -> Json:
    """An account; its number follows from its name."""
    return made("simple-user", login=login, id=int.from_bytes(login.encode()) % 10**6, type=kind)


@cache
def inputs() -> dict[str, set[str]]:
    """The project's workflows that can be started, and their inputs."""
    found: dict[str, set[str]] = {}
    for path in (baked.TEMPLATE / ".github" / "workflows").glob("*.yml"):
        on = yaml.safe_load(path.read_text(encoding="utf-8"))[True]
        if "workflow_dispatch" in on:
            found[path.name] = set((on["workflow_dispatch"] or {}).get("inputs", {}))
    return found


@dataclass
class Failure:
    """An answer that comes instead of the right one; `status` None: the connection breaks."""

    status: int | None
    body: Any = field(default_factory=lambda: {"message": "so it is"})  # bytes go out as they are
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 10**6
    path: str = ""  # a part of the paths that it is for


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


class GitHubStandIn:
    """One repository on a GitHub of its own. Use it in a `with`; `url` is the API's address."""

    def __init__(self, repository: str = "acme/loans", token: str = "gh-token") -> None:  # noqa: S107
        self.repository, self.token = repository, token
        self.others: set[str] = set()  # more tokens that are valid
        self.runs: dict[int, Json] = {}
        self.approvals: dict[int, list[Json]] = {}
        self.pulls: dict[int, Json] = {}
        self.reviews: dict[int, list[Json]] = {}
        self.has_issues, self.issues, self.comments = (
            True,
            dict[int, Json](),
            dict[int, list[str]](),
        )
        self.workflows = inputs()
        self.started: list[tuple[str, Json]] = []
        self.settings = Settings(made, repository, HEAD)
        self.commits: dict[str, list[Json]] = {}
        self.failures: list[Failure] = []
        self.app = apps.StandInApp()
        self.asked: list[Asked] = []
        self.complaints: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """The address for GITHUB_API_URL."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> GitHubStandIn:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # What a test sets up

    def add_run(self, number: int, actor: str = "ada", **values: Any) -> Json:
        """A workflow run of the repository."""
        given = {
            "id": number,
            "run_attempt": 1,
            "path": ".github/workflows/promote.yml",
            "event": "workflow_dispatch",
            "head_sha": HEAD,
            "head_branch": "main",
            "actor": user(actor),
            "triggering_actor": user(actor),
            "repository": made("minimal-repository", full_name=self.repository),
        }
        self.runs[number] = made("workflow-run", **given | values)
        return self.runs[number]

    def approve(self, number: int, who: str | Json, *environments: str, **values: Any) -> None:
        """A person's word about environments that a run waits for."""
        given = {
            "user": user(who) if isinstance(who, str) else who,
            "state": "approved",
            "comment": "",
            "environments": [{"id": 1, "name": name} for name in environments],
        }
        entry = made("environment-approvals", **given | values)
        self.approvals.setdefault(number, []).append(entry)

    def add_pull(self, number: int, author: str = "ada", **values: Any) -> Json:
        """A pull request to main."""
        pull = made("pull-request")
        home = made("repository", full_name=self.repository)
        given = {
            "number": number,
            "user": user(author),
            "head": pull["head"] | {"sha": HEAD, "ref": "promote/loans"},
            "base": pull["base"] | {"sha": "b" * 40, "ref": "main", "repo": home},
            "merged": False,
            "merge_commit_sha": None,
        }
        self.pulls[number] = pull | given | values
        return self.pulls[number]

    def review(self, number: int, who: str | Json | None, state: str, **values: Any) -> Json:
        """A review of a pull request, after those that are there."""
        there = self.reviews.setdefault(number, [])
        given = {
            "id": len(there) + 1,
            "user": user(who) if isinstance(who, str) else who,
            "state": state,
            "commit_id": HEAD,
            "body": "",
            "submitted_at": "2026-01-02T03:04:05Z",
        }
        there.append(made("pull-request-review", **given | values))
        return there[-1]

    def add_commit(self, commit: str, *pulls: int) -> None:
        """A commit and the pull requests that it is part of; they are added before."""
        kept = made("pull-request-simple")
        self.commits[commit] = [
            kept
            | {key: self.pulls[number][key] for key in ("number", "user", "base", "head")}
            | {"merged_at": "2026-01-02T03:04:05Z" if self.pulls[number]["merged"] else None}
            for number in pulls
        ]

    # What GitHub does

    def answer(self, asked: Asked) -> tuple[int | None, Any, dict[str, str]]:
        """Status, body and headers for a request, both checked."""
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockRequest, MockResponse

        self.asked.append(asked)
        sent = {"data": asked.body, "content_type": "application/json"} if asked.body else {}
        request = MockRequest(API, asked.method, asked.path, args=asked.query, **sent)
        self._check(asked, request)
        for failure in self.failures:
            if failure.times and failure.path in asked.path:
                failure.times -= 1
                return failure.status, failure.body, failure.headers
        status, body, headers = self._answer(asked)
        if status in (200, 201):
            try:
                response = MockResponse(json.dumps(body).encode(), status, headers)
                checker().validate_response(request, response)
            except OpenAPIError as error:
                self.complaints.append(f"answer to {asked.path}: {_whole(error)}")
        return status, body, headers

    def _check(self, asked: Asked, request: MockRequest) -> None:
        from openapi_core.exceptions import OpenAPIError

        try:
            checker().validate_request(request)
            operation = checker().unmarshal_request(request)
            known = set(operation.parameters.query)
        except OpenAPIError as error:
            self.complaints.append(f"{asked.method} {asked.path}: {_whole(error)}")
            return
        if asked.query.keys() - known:
            self.complaints.append(f"{asked.path}: unknown {sorted(asked.query.keys() - known)}")
        if asked.headers.get("accept") != "application/vnd.github+json":
            self.complaints.append(f"{asked.path}: Accept is {asked.headers.get('accept')}")
        if not asked.headers.get("user-agent"):
            self.complaints.append(f"{asked.path}: GitHub refuses who names no User-Agent")

    def _answer(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        if asked.headers.get("x-github-api-version", VERSIONS[0]) not in VERSIONS:
            return 400, {"message": "Unsupported API version"}, {}
        if (made := apps.token_for(self, asked)) is not None:
            return *made, {}
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        if kind not in ("token", "Bearer") or token not in {self.token, *self.others}:
            return 401, {"message": "Bad credentials"}, {}
        for method, pattern, handle in ROUTES:
            found = re.fullmatch(f"/repos/{re.escape(self.repository)}{pattern}", asked.path)
            if found and method == asked.method:
                body = handle(self, int(found[1]) if found[1].isdecimal() else found[1])
                if body is None:
                    break
                return self._page(asked, body) if isinstance(body, list) else (200, body, {})
        sent = json.loads(asked.body or b"{}")
        found = self.settings.answer(asked.method, asked.path, sent)
        found = found or pulls.answer(self, asked.method, asked.path, asked.query, sent)
        found = found or apps.review(self, asked.method, asked.path, sent)
        found = found or issues.answer(self, asked.method, asked.path, asked.query, sent)
        status, body = found or NOT_FOUND
        return self._page(asked, body) if isinstance(body, list) else (status, body, {})

    def _page(self, asked: Asked, items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        """One page of a list, and where the next is."""
        size = min(int(asked.query.get("per_page", 30)), 100)
        page = int(asked.query.get("page", 1))
        headers = {}
        if page * size < len(items):
            query = urlencode(asked.query | {"page": page + 1})
            last = urlencode(asked.query | {"page": -(-len(items) // size)})
            link = f'<{self.url}{asked.path}?{query}>; rel="next", '
            headers["Link"] = link + f'<{self.url}{asked.path}?{last}>; rel="last"'
        return 200, items[(page - 1) * size : page * size], headers

    def get_run(self, number: int) -> Json | None:
        """`actions/get-workflow-run`."""
        return self.runs.get(number)

    def get_approvals(self, number: int) -> list[Json] | None:
        """`actions/get-reviews-for-run`."""
        return self.approvals.get(number, []) if number in self.runs else None

    def get_pulls_of(self, commit: str) -> list[Json] | None:
        """`repos/list-pull-requests-associated-with-commit`."""
        return self.commits.get(commit, [])

    def get_pull(self, number: int) -> Json | None:
        """`pulls/get`."""
        return self.pulls.get(number)

    def get_reviews(self, number: int) -> list[Json] | None:
        """`pulls/list-reviews`."""
        return self.reviews.get(number, []) if number in self.pulls else None


ROUTES: list[tuple[str, str, Callable[[GitHubStandIn, Any], Any]]] = [
    ("GET", r"/commits/([0-9a-f]{40})/pulls", GitHubStandIn.get_pulls_of),
    ("GET", r"/actions/runs/(\d+)", GitHubStandIn.get_run),
    ("GET", r"/actions/runs/(\d+)/approvals", GitHubStandIn.get_approvals),
    ("GET", r"/pulls/(\d+)", GitHubStandIn.get_pull),
    ("GET", r"/pulls/(\d+)/reviews", GitHubStandIn.get_reviews),
]


def _whole(error: BaseException) -> str:
    """An error with its causes, and of a schema's with what broke it."""
    text = f"{error!r} {getattr(error, 'schema_errors', '')}"
    return text + (f" <- {_whole(error.__cause__)}" if error.__cause__ else "")


def _handler(stand_in: GitHubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits for 40 ms

        def handle_any(self) -> None:
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            where = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(where.query))
            asked = Asked(self.command, where.path, query, headers, given)
            status, body, more = stand_in.answer(asked)
            if status is None:
                self.close_connection = True
                return
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            content = b"" if status == 204 else content
            self.send_response(status)
            sent = {"Content-Type": "application/json; charset=utf-8", **more}
            for name, value in (sent | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
            """Say nothing."""

    return Handler

"""A git server for tests, over HTTP: who may push is by token, and so is who may change workflows.

It is git's own `http-backend` behind a small server. GitHub refuses a push as a whole when a token
may not change workflows; a hook does so here, in GitHub's words.
"""

from __future__ import annotations

import base64
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import baked

REFUSAL = (
    "refusing to allow a Personal Access Token to create or update workflow `$name`"
    " without `workflow` scope"
)
HOOK = f"""#!/bin/sh
while read old new ref; do
  name=$(git diff --name-only main "$new" -- .github/workflows | head -n 1)
  if [ -n "$name" ] && [ "$MAY_CHANGE_WORKFLOWS" != yes ]; then
    echo "{REFUSAL.replace("`", "'")}" >&2
    exit 1
  fi
done
"""


class GitStandIn:
    """One repository on a server of its own. Use it in a `with`; `url` is for `origin`.

    `tokens`: which may push, and whether workflows, too. Everybody may read.
    """

    def __init__(self, folder: Path, project: baked.BakedProject, tokens: dict[str, bool]) -> None:
        self.folder, self.tokens = folder, tokens
        self.path = folder / "acme" / "loans.git"
        baked.git(project.path, "clone", "--quiet", "--bare", str(project.path), str(self.path))
        baked.git(self.path, "config", "http.receivepack", "true")
        hook = self.path / "hooks" / "pre-receive"
        hook.write_text(HOOK, encoding="utf-8")
        hook.chmod(0o755)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        baked.git(project.path, "remote", "add", "origin", self.url)

    @property
    def url(self) -> str:
        """The repository's address."""
        return f"http://127.0.0.1:{self.server.server_port}/acme/loans.git"

    def branches(self) -> dict[str, str]:
        """Branch → commit."""
        lines = baked.git(self.path, "for-each-ref", "--format=%(refname:short) %(objectname)")
        return dict(line.split() for line in lines.splitlines())

    def __enter__(self) -> GitStandIn:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def right(self, header: str) -> bool | None:
        """Whether the token of a request may change workflows; None for one that is not known."""
        word = header.rpartition(" ")[2]
        given = base64.b64decode(word).decode().partition(":")[2] if word else ""
        return self.tokens.get(given)

    def answer(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, from git itself."""
        where = urlsplit(request.path)
        right = self.right(request.headers.get("Authorization", ""))
        if "git-receive-pack" in request.path and right is None:
            return 401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, b"Bad credentials"
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": where.path,
            "QUERY_STRING": where.query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "token" if right is not None else "",
            "MAY_CHANGE_WORKFLOWS": "yes" if right else "no",
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env=baked.clean_environment() | variables,
            input=body,
            capture_output=True,
            check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().splitlines())
        headers = {name: value for name, _, value in lines}
        return int(headers.pop("Status", "200").split()[0]), headers, content


def _handler(stand_in: GitStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            status, headers, content = stand_in.answer(self)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
            """Say nothing."""

    return Handler

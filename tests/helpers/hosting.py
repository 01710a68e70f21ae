"""A project as it stands on GitHub: people, keys, a registry on a server, a shared DVC remote."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import acting
import baked
import github_projects
import registry
from baked import BakedProject
from github_stand_in import GitHubStandIn

REMOTE = "http://dvc.example.test/loans"  # what .dvc/config says; a proxy on loopback answers
RUN = 7
POLICY = "conf/policy/base.yaml"
NEEDS = ("preflight", "rejudge", "approve-model", "approve-risk")
MOVED = ("promote", "deploy")


def build(project: BakedProject) -> None:
    """Make a project of two roles, whose version 1 is registered on a server and waits."""
    text = project.read(POLICY).replace("roles: [model-owner]", "roles: [model-owner, risk-owner]")
    project.write(POLICY, text)
    for name in ("conf/config.yaml", ".github/CODEOWNERS"):
        project.write(name, project.read(name).replace("@example-organisation/", "@acme/"))
    project.run(["dvc", "repro", "--quiet"])
    baked.run_plain([acting.uv(), "lock", "--quiet"], project.path)
    project = registry.equip(project)
    registry.sign_events(project, "ci")
    project.run(["dvc", "remote", "modify", "storage", "url", REMOTE])
    registry.save(project, "Where the data are for all")
    with registry.served(project) as project, shared_data(project) as project:
        project.governance("register")
    forget_key(project)  # the workflow has a secret for that


def use_key(project: BakedProject) -> BakedProject:
    """Have git sign events on this machine."""
    baked.git(project.path, "config", "gpg.format", "ssh")
    key = str(registry.home(project) / "keys" / "ci")
    baked.git(project.path, "config", "user.signingkey", key)
    return project


def forget_key(project: BakedProject) -> None:
    """Have git sign nothing."""
    for name in ("gpg.format", "user.signingkey"):
        baked.git(project.path, "config", "--unset", name)


@contextmanager
def shared_data(project: BakedProject) -> Iterator[BakedProject]:
    """Answer for DVC's remote, as a proxy that knows no other host: files of `.dvc-remote`."""
    folder = project.path / ".dvc-remote"

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.give(whole=False)

        def do_GET(self) -> None:
            self.give(whole=True)

        def do_POST(self) -> None:
            path = folder / urlsplit(self.path).path.removeprefix("/loans/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(self.chunks()))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def chunks(self) -> Iterator[bytes]:
            if self.headers.get("Transfer-Encoding") != "chunked":
                yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
                return
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def give(self, *, whole: bool) -> None:
            where = urlsplit(self.path)
            path = folder / where.path.removeprefix("/loans/")
            known = where.hostname == urlsplit(REMOTE).hostname and path.is_file()
            content = path.read_bytes() if known else b""
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if whole:
                with suppress(ConnectionError):  # of a client that only looked whether it is there
                    self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        proxy = {"http_proxy": f"http://127.0.0.1:{server.server_port}", "NO_PROXY": "127.0.0.1"}
        yield replace(project, variables=project.variables | proxy)
        server.shutdown()


@dataclass
class Hosted:
    """The project, its GitHub, and how its workflows are run there."""

    project: BakedProject
    hub: GitHubStandIn
    runner: acting.Runner
    settings: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        """The commit that a workflow runs on."""
        return baked.git(self.project.path, "rev-parse", "HEAD")

    def say_yes(self, **people: str) -> None:
        """Approve run 7, which a robot started on this commit: `say_yes(model="owner")`."""
        self.hub.add_run(RUN, actor="robot", head_sha=self.commit)
        for environment, name in people.items():
            self.hub.approve(RUN, f"{name}-at-github", f"approve-{environment}")

    def run(self, workflow: str = "promote.yml", inputs: Mapping[str, str] | None = None) -> Any:
        """Start a workflow by hand."""
        return self.runner(
            self.project,
            workflow,
            "workflow_dispatch",
            payload=self.payload,
            inputs=inputs,
            secrets=self.secrets,
            settings=self.settings,
            actor="robot",
        )

    def pulled(self) -> BakedProject:
        """The project with the ledger as the workflow has pushed it."""
        ledger = "governance-ledger:governance-ledger"
        baked.git(self.project.path, "fetch", "--quiet", "origin", ledger)
        return self.project

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the tree; what a workflow runs on is the tree."""
        text = self.project.read(name)
        assert old in text
        self.project.write(name, text.replace(old, new))


@contextmanager
def hosted(made: BakedProject, folder: Path, runner: acting.Runner) -> Generator[Hosted]:
    """Copy such a project, and let everything answer that its workflows talk to."""
    project = registry.copy(made, folder)
    origin = str(registry.home(project) / "origin.git")
    baked.git(project.path, "remote", "set-url", "origin", origin)
    with (
        registry.served(project) as project,
        shared_data(project) as project,
        GitHubStandIn() as hub,
    ):
        github_projects.settle(hub)
        github_projects.meet(project, hub)
        names = ("http_proxy", "NO_PROXY", "DVC_SITE_CACHE_DIR")
        runner.variables |= {name: project.variables[name] for name in names}
        runner.variables |= {
            "GITHUB_REPOSITORY": hub.repository,
            "GITHUB_API_URL": hub.url,
            "GITHUB_RUN_ID": str(RUN),
        }
        runner.on_path.append(gh(folder / "bin"))
        yield Hosted(
            project,
            hub,
            runner,
            {"MLFLOW_TRACKING_URI": project.variables["MLFLOW_TRACKING_URI"]},
            {
                "GITHUB_TOKEN": hub.token,
                "LEDGER_SSH_KEY": (registry.home(project) / "keys" / "ci").read_text("utf-8"),
            },
            {"repository": {"visibility": "public", "full_name": hub.repository}},
        )
        assert not hub.complaints


def breaking(hosted: Hosted, action: str) -> None:
    """Let the team's own action fail."""
    step = {"shell": "bash", "run": "echo it does not answer; exit 1"}
    runs = {"using": "composite", "steps": [step]}
    whole = {"name": action, "description": "It fails", "runs": runs}
    hosted.project.write(f".github/actions/{action}/action.yml", json.dumps(whole))


def promoted(project: baked.BakedProject, version: int) -> None:
    """Let two people approve a version with their keys, and promote it."""
    for name in ("owner", "risk"):
        registry.approve(project, version, name)
    project.governance("promote")


def another(hosted: Hosted, *, champion: bool) -> None:
    """Make version 1 champion, and register version 2, which waits or is champion after it."""
    project = use_key(hosted.project)
    promoted(project, 1)
    folder = str(project.path / ".dvc-remote")
    project.run(["dvc", "remote", "add", "--local", "folder", folder])
    registry.another_model(project, "0.2", "--remote", "folder")
    project.governance("register")
    if champion:
        promoted(project, 2)
    forget_key(project)
    github_projects.meet(hosted.project, hosted.hub)


GH = """\
import json, os, sys
from pathlib import Path

words = sys.argv[1:]
assert words[:2] == ["attestation", "verify"], words
given = dict(zip(words[3::2], words[4::2], strict=True))
noted = Path(os.environ["HOME"], "noted", "actions-attest.jsonl")
attested = [json.loads(line)["subject-path"] for line in noted.read_text().splitlines()]
signer = os.environ.get("ATTESTED_BY", "acme/loans/.github/workflows/promote.yml")
wanted = {
    "--repo": "acme/loans",
    "--signer-workflow": signer,
    "--predicate-type": "https://cyclonedx.org/bom",
    "--source-digest": os.environ["GITHUB_SHA"],
}
if words[2] not in attested or given != wanted:
    sys.exit(f"Error: verifying with issuer sigstore.dev: signed by {signer}, asked for {given}")
print("Verification succeeded!")
"""


def gh(folder: Path) -> Path:
    """GitHub's command line, as far as it verifies an attestation."""
    folder.mkdir(parents=True)
    script = folder / "gh"
    script.write_text(f"#!{sys.executable}\n{GH}", encoding="utf-8")
    script.chmod(0o755)
    return folder

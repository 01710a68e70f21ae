"""Projects with a registry: keys, approvers, a remote, a model that is registered or champion."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import baked
from baked import BakedProject

APPROVERS = "governance/approvers.yaml"
ESTIMATOR = "conf/model/hist_gradient_boosting_classifier.yaml"
POLICY_OWNER = {  # `governance/approvers.yaml` in which one person answers for the policy
    "people": [
        {"name": "Risk", "roles": ["risk-owner"], "emails": ["risk@example.org"], "github": "risky"}
    ]
}
LIMIT = "warn: 0.70\n    block: 0.65"  # of evaluate.roc_auc in conf/policy/base.yaml
STRICT = "warn: 0.95\n    block: 0.94"
PEOPLE = {"owner": ["model-owner"], "risk": ["risk-owner"], "author": ["model-owner"]}


def ago(days: float) -> str:
    """A moment in the past, as events have it."""
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def home(project: BakedProject) -> Path:
    """The folder around a project: its keys and its remote lie there."""
    return project.path.parent


def ssh_key(path: Path) -> str:
    """Make an SSH key without a password; return the public half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text(encoding="utf-8").strip()


def equip(project: BakedProject, *, remote: bool = True) -> BakedProject:
    """Give a project keys, approvers on `main`, a committer and a bare repository as `origin`."""
    keys = home(project) / "keys"
    keys.mkdir()
    project = with_keys(project)
    project.governance("keygen", str(keys / "model.pem"))
    pem = project.run(["python", "-c", _PUBLIC, str(keys / "model.pem")]).stdout
    people = [
        {
            "name": name,
            "roles": roles,
            "emails": [f"{name}@example.org"],
            "github": f"{name}-at-github",
            "keys": [{"key": ssh_key(keys / name)}],
        }
        for name, roles in PEOPLE.items()
    ]
    approvers(project, people=people, model_keys=[{"key": pem}])
    for name, value in (("user.name", "Author"), ("user.email", "author@example.org")):
        baked.git(project.path, "config", name, value)
    if remote:
        baked.git(home(project), "init", "--quiet", "--bare", "-b", "main", "origin.git")
        baked.git(project.path, "remote", "add", "origin", "../origin.git")
    project.run(["dvc", "push", "--quiet"])
    save(project, "Who may approve")
    return project


_PUBLIC = """import sys
from cryptography.hazmat.primitives import serialization as s
key = s.load_pem_private_key(open(sys.argv[1], "rb").read(), None).public_key()
print(key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode(), end="")
"""


def with_keys(project: BakedProject) -> BakedProject:
    """The project as seen by who has the key that signs models."""
    key = {"GOVERNANCE_MODEL_KEY": str(home(project) / "keys" / "model.pem")}
    return replace(project, variables=project.variables | key)


def approvers(project: BakedProject, **sections: Any) -> dict[str, Any]:
    """Change sections of the file of approvers (JSON is YAML, too); return the whole."""
    text = project.read(APPROVERS)
    found = json.loads(text) if text.startswith("{") else {}
    found |= sections
    project.write(APPROVERS, json.dumps(found, indent=1))
    return found


def sign_events(project: BakedProject, name: str, *, listed: bool = True) -> None:
    """Have git sign with a new key, which the protected branch lists from today on."""
    path = home(project) / "keys" / name
    key = {"name": name, "key": ssh_key(path), "since": datetime.now(UTC).date().isoformat()}
    if listed:
        approvers(project, ledger=[key])
        save(project, "Who signs events", author="Risk <risk@example.org>")
    baked.git(project.path, "config", "gpg.format", "ssh")
    baked.git(project.path, "config", "user.signingkey", str(path))


def save(project: BakedProject, message: str, author: str = "Author <author@example.org>") -> str:
    """Commit everything as somebody, and push it to `main` where there is a remote."""
    baked.git(project.path, "add", "--all")
    command = ["commit", "--quiet", "--allow-empty", "--message", message, "--author", author]
    baked.git(project.path, *command)
    if baked.git(project.path, "remote"):
        baked.git(project.path, "push", "--quiet", "origin", "main")
    return baked.git(project.path, "rev-parse", "HEAD")


def copy(project: BakedProject, folder: Path) -> BakedProject:
    """Copy a project with its keys, its remote and its MLflow store, whose paths are set right."""
    target = folder / home(project).name
    shutil.copytree(home(project), target, symlinks=True)
    moved = BakedProject(
        target / project.path.name,
        project.environment,
        {"DVC_SITE_CACHE_DIR": str(folder / "site")},
    )
    if (moved.path / "mlflow.db").exists():
        move_store(moved.path / "mlflow.db", str(project.path), str(moved.path))
    return with_keys(moved)


def artifacts(project: BakedProject, version: int) -> Path:
    """Where the registry keeps a version's files: `bundle`, `signature`, `releases`."""
    events = [one for one in ledger(project) if one["action"] == "registered"]
    run = next(one for one in events if one["version"] == version)["details"]["run_id"]
    stores = (project.path / "mlruns", home(project) / "server" / "artifacts")
    return next(path for store in stores for path in store.glob(f"**/{run}/artifacts"))


@contextmanager
def served(project: BakedProject) -> Generator[BakedProject]:
    """Run an MLflow server for the registry, whose files lie beside the project."""
    store = home(project) / "server"
    store.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert project.environment
    scripts = project.environment / ("Scripts" if os.name == "nt" else "bin")
    command = [str(scripts / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{(store / 'mlflow.db').as_posix()}"]
    command += ["--artifacts-destination", str(store / "artifacts")]
    env = baked.clean_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    env["PATH"] = os.pathsep.join([str(scripts), env["PATH"]])
    with (store / "log.txt").open("a") as log:
        server = subprocess.Popen(
            command, cwd=store, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, server)
            variables = project.variables | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
            yield replace(project, variables=variables)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert server.poll() is None, "the MLflow server has ended"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError("the MLflow server does not answer")


def move_store(store: Path, before: str, after: str) -> None:
    """Replace a folder in every text of an MLflow database: it names artifacts by absolute path."""
    with sqlite3.connect(store) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in db.execute(f'PRAGMA table_info("{table}")').fetchall():
                name, kind = column[1], column[2].upper()
                if "CHAR" in kind or "TEXT" in kind:
                    db.execute(
                        f'UPDATE "{table}" SET "{name}" = replace("{name}", ?, ?) '
                        f'WHERE "{name}" LIKE ?',
                        (before, after, f"%{before}%"),
                    )
    db.close()


def approve(project: BakedProject, version: int, name: str = "owner", code: int | None = 0) -> str:
    """Say yes with a person's own key; return what was said."""
    key = str(home(project) / "keys" / name)
    done = project.governance("approve", str(version), "--as", name, "--key", key, code=code)
    return done.stderr if done.returncode else done.stdout


def ledger(project: BakedProject) -> list[dict[str, Any]]:
    """The events, oldest first, as git has them."""
    out = baked.git(project.path, "log", "--reverse", "-z", "--format=%B", "governance-ledger")
    return [json.loads(message) for message in out.split("\0") if message.strip()]


def actions(project: BakedProject) -> list[str]:
    """What happened, in order, with the version: `registered 1`."""
    return [f"{event['action']} {event['version'] or ''}".strip() for event in ledger(project)]


def status(project: BakedProject, code: int = 0) -> dict[str, Any]:
    """What `governance status` reports."""
    return json.loads(project.governance("status", "--json", code=code).stdout)


def states(project: BakedProject, code: int = 0) -> dict[int, str]:
    """Version → state, as `governance status` has it."""
    return {row["version"]: row["state"] for row in status(project, code)["rows"]}


def refused(done: subprocess.CompletedProcess[str], *causes: str, code: int = 1) -> str:
    """Assert that a command refused in one line which names the causes; return the line."""
    assert done.returncode == code, done.stdout + done.stderr
    progress = ("recomputing ", "signing ", "fetching ")
    lines = [line for line in done.stderr.splitlines() if not line.startswith(progress)]
    assert "Traceback" not in done.stderr
    assert len(lines) == 1, done.stderr
    for cause in causes:
        assert cause in lines[0], lines[0]
    return lines[0]


def python(project: BakedProject, code: str, *arguments: str) -> str:
    """Run Python in the project's environment, `Registry` and MLflow's client at hand."""
    prelude = (
        "import sys; from governed_ml.registry.versions import Registry, model_name\n"
        "from pathlib import Path; from mlflow.tracking import MlflowClient\n"
        "registry = Registry(model_name(Path())); client = MlflowClient(); name = registry.name\n"
    )
    return project.run(["python", "-c", prelude + code, *arguments]).stdout


def another_model(project: BakedProject, rate: str = "0.2", *remote: str) -> None:
    """Train another model, as a team does: change a value, run the pipeline, push, commit."""
    lines: Sequence[str] = project.read(ESTIMATOR).splitlines()
    changed = [f"  learning_rate: {rate}" if "learning_rate" in line else line for line in lines]
    assert changed != lines
    project.write(ESTIMATOR, "\n".join(changed) + "\n")
    project.run(["dvc", "repro", "--quiet"])
    project.run(["dvc", "push", "--quiet", *remote])
    save(project, "Another learning rate")

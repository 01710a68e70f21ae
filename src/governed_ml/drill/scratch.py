"""The scratch copy: the repository with its own ledger, registry, remote and keys."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from threading import Lock
from typing import Any

from governed_ml.core import evidence
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Rule
from governed_ml.core.mlflow_store import sqlite_url
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import PROTECTED, REMOTE, git, head
from governed_ml.drill.clone import clone, own_stores
from governed_ml.drill.command_result import CommandResult, Sign, State

# Variables that could lead to a real server, store, remote, repository or workflow are removed.
DROPPED = ("GIT_", "GITHUB_", "GH_", "MLFLOW_", "DVC_", "GOVERNANCE_", "OPENLINEAGE_", "RUNNER_")
COMPOSING = Lock()


def whole(text: str) -> str:
    """Return the text to plant, without the marks `~`."""
    return text.replace("~", "")


class Scratch:
    """A scratch copy of the repository (`now`), and the states in which faults start."""

    def __init__(self, base: Path, home: Path, say: Callable[[str], None]) -> None:
        """Copy the repository; nothing has run in it yet."""
        self.say, self.notes = say, list[str]()
        self.python, self.variables = sys.executable, dict[str, str]()
        self._at(home)
        clone(base, self.project, self.origin)
        own_stores(base, self.project, home.parent)
        self.commit("What the drill starts from")

    def _at(self, home: Path) -> None:
        self.home = home
        self.project, self.origin = home / "now" / "project", home / "now" / "origin.git"
        self.model_key = home / "keys" / "model.pem"
        self.lost: dict[State, Problem] = {}
        self._clean: dict[tuple[State, tuple[str, ...]], CommandResult] = {}

    def fork(self, home: Path) -> Scratch:
        """Return a second copy in the state `measured`, for faults that run in parallel."""
        other = copy(self)
        other.variables = {}
        other._at(home)
        shutil.copytree(self.home / "measured", home / "measured", symlinks=True)
        shutil.copytree(self.home / "measured", home / "now", symlinks=True)
        return other

    def keep(self, state: State) -> None:
        """Save the copy's current content as a state."""
        shutil.copytree(self.home / "now", self.home / state, symlinks=True)

    def restore(self, state: State) -> None:
        """Restore a state at the same path, because MLflow's store contains absolute paths."""
        options: dict[str, Any] = {"dir": self.home, "ignore_cleanup_errors": True}
        with tempfile.TemporaryDirectory(**options) as trash:
            (self.home / "now").rename(Path(trash) / "now")
        shutil.copytree(self.home / state, self.home / "now", symlinks=True)
        self.python, self.variables = sys.executable, {}

    def clean(self, state: State, command: tuple[str, ...]) -> CommandResult:
        """Return the cached result of a command without a fault."""
        if (state, command) not in self._clean:
            self.restore(state)
            self._clean[state, command] = self.run(*command)
            self.restore(state)
        return self._clean[state, command]

    def commit(self, message: str) -> str:
        """Commit everything on the protected branch, and push it to the copy's own remote."""
        git(self.project, "add", "--all")
        git(self.project, "commit", "--quiet", "--allow-empty", "--message", message)
        git(self.project, "push", "--quiet", REMOTE, PROTECTED)
        return head(self.project)

    def plant(self, files: Mapping[str, str | bytes]) -> None:
        """Write files into the copy and commit them, even ignored ones.

        Checks also search this repository's code for the planted texts, so they contain `~` here.
        """
        for name, content in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else whole(content).encode()
            path.write_bytes(data)
        git(self.project, "add", "--force", "--", *files)
        self.commit(f"Add {next(iter(files))}")

    def plant_each(self, folder: str, files: Mapping[str, tuple[str | bytes, str]]) -> Sign:
        """Plant files in a folder; return the sign that a text must be reported about each file."""
        self.plant({f"{folder}{name}": content for name, (content, _) in files.items()})
        told = {f"{folder}{name}": words for name, (_, words) in files.items()}
        return Sign(tuple(rf"^{re.escape(name)}: .*{words}" for name, words in told.items()))

    def run(self, *words: str) -> CommandResult:
        """Run `governance …` as a person would."""
        return self.start([self.python, "-P", "-m", "governed_ml", *words])

    def must(self, *words: str) -> str:
        """Run a command that must succeed before a fault can be planted; return its output."""
        return self._well(self.run(*words), " ".join(words))

    def dvc(self, *words: str) -> str:
        """Run a DVC command that must succeed; return its output."""
        return self._well(
            self.start([sys.executable, "-P", "-m", "dvc", *words]), f"dvc {words[0]}"
        )

    def mlflow(self, method: str, *arguments: str) -> None:
        """Call MLflow's client on the copy's store, like somebody who bypasses the gates."""
        call = "import sys; from mlflow.tracking import MlflowClient as Client; "
        call += "getattr(Client(sys.argv[1]), sys.argv[2])(*sys.argv[3:])"
        store = sqlite_url(self.project / "mlflow.db")
        self._well(
            self.start([sys.executable, "-P", "-c", call, store, method, *arguments]), method
        )

    def start(self, command: list[str]) -> CommandResult:
        """Run a program in the copy, without access to real servers and stores."""
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self._environment(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
        env |= {name: value for name, value in os.environ.items() if name.startswith("GIT_SSH")}
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
        config = str(self.home.parent / "config")
        return env | {
            "PYTHONUTF8": "1",
            "COLUMNS": "2000",  # so that reasons are not wrapped
            "NO_COLOR": "1",
            "DVC_SITE_CACHE_DIR": str(self.home.parent / "site"),
            "DVC_GLOBAL_CONFIG_DIR": config,
            "DVC_SYSTEM_CONFIG_DIR": config,
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GOVERNANCE_MODEL_KEY": str(self.model_key),
            **self.variables,
        }

    def _well(self, done: CommandResult, what: str) -> str:
        if done.code:
            said = first_line(ValueError(done.lines[-1] if done.lines else "nothing"), 300)
            raise Problem(f"in the copy, `{what}` ended with exit code {done.code}: {said}")
        return done.out

    def params(self) -> Params:
        """Return the copy's configuration; a lock ensures that Hydra composes once at a time."""
        with COMPOSING:
            return compose(self.project / CONF)

    def features(self) -> tuple[list[str], list[str]]:
        """Return the numeric and the categorical features according to the split."""
        body = evidence.load("split", self.project).body
        return list(body.numeric), list(body.categorical)

    def rule(self, metric: str) -> Rule:
        """Return the policy's rule about a metric for the project's task."""
        params = self.params()
        for rule in params.policy.rules:
            if rule.metric == metric and rule.task in (None, params.data.task):
                return rule
        raise Problem(f"the policy has no rule about {metric}, so nothing would report the fault")

    def passing(self, rule: str, names: list[str]) -> str:
        """Return the first of the names whose rule passes without a fault."""
        denied = {one["id"] for one in self.clean("measured", ("gate", "--json")).rules}
        found = next((name for name in names if f"{rule}[{name}]" not in denied), None)
        if found is None:
            raise Problem(f"{rule} already fails for every feature, so one more would not show")
        return found

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        """Edit a JSON file of the copy."""
        path = self.project / name
        values = json.loads(path.read_text(encoding="utf-8"))
        change(values)
        path.write_text(json.dumps(values, indent=2), encoding="utf-8")

    def edit_yaml(self, name: str, change: Callable[[Any], object]) -> None:
        """Edit a YAML file of the copy."""
        from ruamel.yaml import YAML

        yaml, path = YAML(), self.project / name
        values = yaml.load(path.read_text(encoding="utf-8"))
        change(values)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yaml.dump(values, file)

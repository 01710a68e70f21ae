"""The registry: MLflow's model versions, aliases and tags, which mirror the ledger.

Nothing in it is trusted: a version's files come from the MLflow run that the ledger names, and are
used only after signature and digests were checked.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Container, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.installation.lockfile import METADATA
from governed_ml.core.problem import Problem
from governed_ml.core.shared_stores import unshared
from governed_ml.ledger.events import Anchor

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

STATUS = "governance_status"
ANCHOR = "ledger_head"  # tag of the registered model and of each version: `sequence commit`
CHAMPION, CHALLENGER = "champion", "challenger"
NEVER = 10**9  # an event number that no ledger reaches
BUNDLE, SIGNATURE = "bundle", "signature"  # artifact folders: the signed files, and their signature
RELEASES, SBOM = "releases", "sbom"


@dataclass(frozen=True)
class Listed:
    """One model version in the registry."""

    number: int
    run_id: str
    tags: dict[str, str] = field(default_factory=dict)


class Registry:
    """Access to one registered model in MLflow."""

    def __init__(self, name: str) -> None:
        """Connect to the store that `MLFLOW_TRACKING_URI` names, or to the repository's own."""
        from governed_ml.core.mlflow_store import connect

        self.name = name
        self.experiment = connect(name)

    @contextmanager
    def _client(self) -> Generator[MlflowClient]:
        from mlflow.tracking import MlflowClient

        from governed_ml.core.mlflow_store import answering

        with answering():
            yield MlflowClient()

    def ensure(self) -> None:
        """Create the registered model if it does not exist."""
        from mlflow.exceptions import MlflowException

        with self._client() as client:
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def create(self, tags: dict[str, str]) -> tuple[int, str]:
        """Create a run for the files, and a version that points to it; return their ids."""
        self.ensure()
        with self._client() as client:
            run = client.create_run(self.experiment, run_name=f"register {self.name}").info
            source = f"{str(run.artifact_uri).rstrip('/')}/{BUNDLE}"
            made = client.create_model_version(self.name, source, run.run_id, tags=tags)
        return int(made.version), str(run.run_id)

    def upload(self, run_id: str, folder: Path, where: str) -> None:
        """Upload a folder as artifacts of a run, under the path `where`."""
        with self._client() as client:
            client.log_artifacts(run_id, str(folder), where)

    def finish(self, run_id: str) -> None:
        """Mark a run as finished."""
        with self._client() as client:
            client.set_terminated(run_id)

    def download(self, run_id: str, where: str, target: Path) -> Path:
        """Download an artifact folder of a run; return the path of the local copy."""
        from mlflow.exceptions import MlflowException

        from governed_ml.core.mlflow_store import moved

        target.mkdir(parents=True, exist_ok=True)
        with self._client() as client:
            try:
                run = client.get_run(run_id).info
                if now := moved(str(run.artifact_uri), run_id):
                    return _copied(now / where, target / where)
                there = {str(one.path) for one in client.list_artifacts(run_id)}
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                there = set[str]()
            if where not in there:
                raise Problem(f"the registry has no {where} (of run {run_id})", 1)
            return Path(client.download_artifacts(run_id, where, str(target)))

    def page(self, number: int | None) -> str:
        """Return the URL of a version's page, or "" without a server."""
        server = re.sub(r"//[^/@]*@", "//", os.environ.get("MLFLOW_TRACKING_URI", ""))
        there = f"{server.rstrip('/')}/#/models/{self.name}/versions/{number}"
        return there if server.startswith("http") else ""

    def versions(self) -> dict[int, Listed]:
        """Return version number → version, in order of the numbers."""
        with self._client() as client:
            found = client.search_model_versions(f"name = '{self.name}'")
        return {
            int(one.version): Listed(int(one.version), str(one.run_id), dict(one.tags))
            for one in sorted(found, key=lambda one: int(one.version))
        }

    def aliases(self) -> dict[str, int]:
        """Return alias → version; empty if there is no registered model."""
        from mlflow.exceptions import MlflowException

        with self._client() as client:
            try:
                found = client.get_registered_model(self.name).aliases
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return {}
        return {str(alias): int(version) for alias, version in found.items()}

    def point(self, alias: str, number: int | None) -> None:
        """Set an alias to a version, or delete it if `number` is None."""
        with self._client() as client:
            if number is None:
                client.delete_registered_model_alias(self.name, alias)
            else:
                client.set_registered_model_alias(self.name, alias, str(number))

    def tag(self, number: int, **tags: str) -> None:
        """Set tags of a version."""
        with self._client() as client:
            for key, value in tags.items():
                client.set_model_version_tag(self.name, str(number), key, value)

    def anchor(self, sequence: int, commit: str, number: int | None) -> None:
        """Store the ledger's last event in tags, as a record outside the ledger."""
        self.ensure()
        with self._client() as client:
            client.set_registered_model_tag(self.name, ANCHOR, f"{sequence} {commit}")
        if number is not None and number in self.versions():
            self.tag(number, **{ANCHOR: f"{sequence} {commit}"})

    def anchors(self, known: Container[int] | None = None) -> list[Anchor]:
        """Return every anchor that is stored in tags.

        Tags of versions that are not in `known` (the ledger's versions) are ignored.
        """
        from mlflow.exceptions import MlflowException

        with self._client() as client:
            try:
                model = client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return []
        tags = {f"the registered model {self.name}": dict(model.tags).get(ANCHOR, "")}
        tags |= {
            f"version {n}": one.tags.get(ANCHOR, "")
            for n, one in self.versions().items()
            if known is None or n in known
        }
        found: list[Anchor] = []
        for where, text in tags.items():
            sequence, _, commit = text.partition(" ")
            whole = sequence.isdecimal() and int(sequence) > 0 and commit
            if text:  # treat an invalid tag as an event that is missing
                found.append(Anchor(where, int(sequence) if whole else NEVER, commit or text))
        return found


def _copied(folder: Path, target: Path) -> Path:
    if not folder.is_dir():
        raise Problem(f"the registry has no {folder.name} (it is not in {folder.parent})", 1)
    return Path(shutil.copytree(folder, target, dirs_exist_ok=True))


def model_name(base: Path) -> str:
    """Return the registered model's name: the project's name in `pyproject.toml`."""
    import tomllib

    try:
        return str(tomllib.loads((base / METADATA).read_text("utf-8"))["project"]["name"])
    except (OSError, ValueError, KeyError) as error:
        raise Problem("pyproject.toml names no project: restore it with git") from error


def require_shared(base: Path) -> None:
    """On a CI runner, raise `Problem` if the store or ledger would be deleted with the runner."""
    for why in unshared(base) if os.environ.get("GITHUB_ACTIONS") else []:
        raise Problem(why)

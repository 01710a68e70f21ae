"""A version's software bill of materials (CycloneDX 1.5): packages, model and training table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from governed_ml.core import tables
from governed_ml.core.files import file_digest, write_json
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import extract
from governed_ml.registry.append_event import situation
from governed_ml.registry.promote import chosen
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Statement
from governed_ml.registry.remeasure import environments
from governed_ml.registry.versions import SBOM, Registry

PREFIX = "governance:"  # of the CycloneDX properties defined here


def sbom(
    base: Path, registry: Registry, number: int | None, target: Path
) -> tuple[int, dict[str, Any]]:
    """Write a version's checked `model.skops` and its `sbom.json` into a folder.

    The list is also uploaded to the registry, beside the version's files. It names the packages
    that the commit's `uv.lock` pins.
    """
    seen = situation(base, registry)
    version = chosen(seen.life, number, registry)
    with tempfile.TemporaryDirectory() as name:
        scratch, alone = Path(name) / "copy", Path(name) / "alone"
        checked = bundle.fetch(registry, version, seen.now.approvers, Path(name) / "bundle")
        scratch.mkdir()
        extract(base, version.subject["commit"], scratch)
        bill = complete(environment(scratch), checked.statement, file_digest(checked.model))
        write_json(alone / "sbom.json", bill)
        registry.upload(version.run_id, alone, SBOM)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(alone / "sbom.json", target / "sbom.json")
        shutil.copyfile(checked.model, target / "model.skops")
    return version.number, bill


def environment(project: Path) -> dict[str, Any]:
    """Return uv's CycloneDX export of a project's lock file, without the team's tools."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise Problem("uv was not found: install it, or set UV to its path")
    group = environments.read(project).group
    command = [uv, "export", "--quiet", "--frozen", "--no-default-groups", "--group", group]
    command += ["--format", "cyclonedx1.5"]
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command,
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        said = first_line(ValueError(done.stderr), 200)
        raise Problem(f"`uv export` lists nothing: {said}; install uv 0.9.11 or newer") from error


def complete(listed: dict[str, Any], statement: Statement, file: str) -> dict[str, Any]:
    """Add the model and its training table to a list of packages."""
    properties = statement.model_dump(
        mode="json", include={"commit", "model", "policy", "decision"}
    )
    model = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{statement.name}@{statement.version}",
        "name": statement.name,
        "version": str(statement.version),
        "hashes": [_hash(file)],
        "properties": [{"name": PREFIX + key, "value": properties[key]} for key in properties],
    }
    table = {
        "type": "data",
        "bom-ref": f"data:{tables.RAW.as_posix()}",
        "name": tables.RAW.as_posix(),
        "hashes": [_hash(statement.data)],
    }
    needs = [table["bom-ref"], listed["metadata"]["component"]["bom-ref"]]
    edges = [{"ref": model["bom-ref"], "dependsOn": needs}, {"ref": table["bom-ref"]}]
    return listed | {
        "components": [model, table, *listed.get("components", [])],
        "dependencies": [*edges, *listed.get("dependencies", [])],
    }


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}

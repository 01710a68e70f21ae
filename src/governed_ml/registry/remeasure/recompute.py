"""Measure a commit again in a copy, without DVC and without trusting the committed evidence.

The ingested table and the model are copied; their digests must match the evidence and `dvc.lock`.
Every stage between them runs again, with the commit's own engine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from governed_ml.core import model_file, tables
from governed_ml.core.config import dvc_files
from governed_ml.core.evidence import AnyEvidence, Collected, collect
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.core.files import file_digest
from governed_ml.core.installation.replaced_libraries import without
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.core.process_settings import readable
from governed_ml.core.repository import extract
from governed_ml.pipeline.isolated.process import STRICT
from governed_ml.registry.remeasure import environments, source
from governed_ml.registry.remeasure.environments import RUNNING, StageEnvironment

STAGES_AFTER_INGEST = (*tuple(BODY_OF_GATE)[1:], "document")
"""The stages after `ingest`, in the pipeline's order."""
FILES = (tables.RAW, model_file.PATH)  # files stored by DVC that a new measurement starts from
TOLERANCE = 1e-9
KEPT_BACK = (
    *("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID"),  # runs must not be logged there
    *("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "ACTIONS_"),
    *("GOVERNANCE_MODEL_KEY", "GOVERNANCE_WEBHOOK"),
    *("VIRTUAL_ENV", "UV_PROJECT"),
    *("AWS_", "GOOGLE_", "GCLOUD_", "GCP_", "CLOUDSDK_", "AZURE"),  # from the action `data-access`
)
"""Prefixes of environment variables that stages must not get, because stages run the team's code.
"""
OF_THE_CHAMPION = ("champions", "champion_difference")  # differ with another champion


def recompute(
    base: Path, commit: str, champion: Path | None, scratch: Path, say: Callable[[str], None]
) -> None:
    """Extract a commit into the empty folder `scratch`, and measure it with the running engine.

    The ingested table and the model come from `base`. Raise `Problem` if the commit pins another
    engine or if a number differs.
    """
    extract(base, commit, scratch)
    measure(base, champion, scratch, say, environments.require_running(scratch))


def measure(
    base: Path,
    champion: Path | None,
    scratch: Path,
    say: Callable[[str], None],
    environment: StageEnvironment,
) -> None:
    """Measure the commit in `scratch` again, with the table and the model from `base`.

    Raise `Problem` if the result differs from the committed evidence.
    """
    committed = _committed(scratch)
    lock = locked(scratch)
    for path in FILES:
        _bring(base, scratch, path, lock)
    wanted = committed["split"].subject.inputs[tables.RAW.as_posix()]
    if file_digest(scratch / tables.RAW) != wanted:
        raise Problem(f"{tables.RAW.as_posix()} is not the table that was measured", 1)
    if champion is not None:
        shutil.copyfile(champion, scratch / model_file.CHAMPION)
    say("recomputing compose")
    run_stage(scratch, "compose", environment)
    for stage in (*source.bring(base, scratch, committed["ingest"]), *STAGES_AFTER_INGEST):
        say(f"recomputing {stage}")
        run_stage(scratch, stage, environment)
        if stage == "train":
            _require_same_model(base, scratch, committed["train"])
    if file_digest(scratch / tables.RAW) != wanted:
        raise Problem(
            "ingest gives a table that differs from the committed one, so the source has changed: "
            "run `uv run dvc repro --force ingest` and commit what it writes",
            1,
        )
    for gate, found in _committed(scratch).items():
        require_same(gate, committed[gate], found)


def _require_same_model(base: Path, scratch: Path, trained: AnyEvidence) -> None:
    """Raise `Problem` if training gives another model; then restore the committed model's bytes."""
    found = model_file.digest(scratch / model_file.PATH)
    if found != trained.subject.model:
        raise Problem(
            f"the model was not trained on this commit: {str(trained.subject.model)[:18]} is "
            f"committed, training gives {found[:18]} here; where machines differ that much, run "
            "the pipeline and register on the same one",
            1,
        )
    shutil.copyfile(base / model_file.PATH, scratch / model_file.PATH)


def _committed(scratch: Path) -> dict[str, AnyEvidence]:
    found: dict[str, AnyEvidence] = {}
    for gate, evidence in collect(scratch).items():
        if isinstance(evidence, Unusable):
            raise Problem(f"lineage is missing: {evidence}, then commit", 1)
        found[gate] = evidence
    return found


def locked(scratch: Path) -> dict[str, str]:
    """Return path → MD5 of every output in `dvc.lock`; raise `Problem` if it is incomplete."""
    try:
        ran, asked = dvc_files.locked(scratch).stages, dvc_files.declared(scratch)
        outs = [out for one in ran.values() for out in one.outs]
        if any(out.md5 is None for out in outs):
            raise Problem("an output has no digest")
    except Problem as problem:
        raise Problem(
            "lineage is missing, because the commit has no complete dvc.lock: run `uv run "
            "dvc repro` and commit dvc.lock",
            1,
        ) from problem
    frozen = next((name for name, stage in asked.items() if stage.frozen), None)
    if frozen or set(asked) - set(ran):
        lost = frozen or sorted(set(asked) - set(ran))[0]
        why = "is frozen" if frozen else "never ran"
        raise Problem(f"lineage is missing: stage {lost} {why}; fix dvc.yaml and run it again", 1)
    return {out.path: str(out.md5) for out in outs}


def _bring(base: Path, scratch: Path, path: Path, lock: dict[str, str]) -> None:
    source, target = base / path, scratch / path
    if not source.is_file():
        raise Problem(f"{path.as_posix()} is missing: run `uv run dvc pull`")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if not is_locked(target, path, lock):
        raise Problem(f"{path.as_posix()} does not match dvc.lock: run `uv run dvc checkout`", 1)


def is_locked(file: Path, path: Path, lock: dict[str, str]) -> bool:
    """Return whether a file's MD5 is the one that `dvc.lock` records for a path."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
    return lock.get(path.as_posix()) == found.hexdigest()


def folder_md5(folder: Path) -> str:
    """Return a folder's MD5 as DVC computes it."""
    listed: list[dict[str, str]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        listed.append({"md5": md5, "relpath": path.relative_to(folder).as_posix()})
    listed.sort(key=lambda one: one["relpath"])
    text = json.dumps(listed, sort_keys=True).encode()
    return f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir"


def surroundings() -> dict[str, str]:
    """Return the environment variables for a stage.

    They contain no stores, tokens or cloud credentials, and no paths that change Python's imports.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_BACK)}
    return readable(without(kept))


def run_stage(scratch: Path, stage: str, environment: StageEnvironment = RUNNING) -> None:
    """Run one stage in a copy of the project, without access to a tracking server."""
    done = subprocess.run(
        environment.stage(stage),
        cwd=scratch,
        env=surroundings() | environment.variables(scratch) | {STRICT: "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise Problem(f"recomputing stopped at {first_line(ValueError(said), 400)}", 1)


def require_sealed(scratch: Path, sealed: Collected) -> None:
    """Raise `Problem` if any sealed evidence differs from the evidence measured in `scratch`."""
    for gate, found in _committed(scratch).items():
        before = sealed[gate]
        if isinstance(before, Unusable):
            raise Problem(f"the sealed evidence of {gate} is not readable: {before}", 1)
        require_same(gate, before, found, ())


def require_same(
    gate: str,
    before: AnyEvidence,
    after: AnyEvidence,
    without: tuple[str, ...] = OF_THE_CHAMPION,
) -> None:
    """Raise `Problem` if the numbers of two evidence files of a gate differ.

    `without` names fields that are not compared.
    """
    where = difference(_numbers(before, without), _numbers(after, without))
    if where is not None:
        name, said, found = where
        raise Problem(
            f"evidence of {gate} was not measured on this commit: {name} was "
            f"{_short(said)}, but is {_short(found)} now",
            1,
        )


def _numbers(found: AnyEvidence, without: tuple[str, ...]) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        name: {key: getattr(metric, key) for key in ("value", "lower", "upper", "n")}
        for name, metric in found.metrics.items()
        if name not in without
    }
    body = found.body.model_dump(mode="json", exclude={"champion"} if without else None)
    return metrics | {f"body.{name}": value for name, value in body.items()}


def difference(one: Any, two: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Return the place and both values of the first difference of two JSON values, or None.

    Numbers count as equal within 1e-9 (relative, or absolute near 0).
    """
    if isinstance(one, dict) and isinstance(two, dict):
        keys = [*one, *(key for key in two if key not in one)]
        pairs = [(f"{name}.{key}".strip("."), one.get(key), two.get(key)) for key in keys]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = [(f"{name}[{n}]", *pair) for n, pair in enumerate(zip(one, two, strict=True))]
    else:
        return None if _equal(one, two) else (name, one, two)
    found = (difference(first, second, where) for where, first, second in pairs)
    return next((one for one in found if one is not None), None)


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == two


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:79]}…"

"""What the team logs to MLflow inside `fit`: into a store of its own, then into the engine's run.

The process that fits has no network and no right to write to the repository's store. It gets a
folder store in which the engine's run is open under its own id, so plain `mlflow.log_metric` works.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

STORE = "mlruns"
PARTS = ("params", "metrics", "tags", "artifacts")
OWN_TAGS, OWN_ARTIFACTS = ("mlflow.", "model_digest", "data"), ("model", "params.yaml")
"""How names begin that only the engine writes."""
LARGEST = 1 << 30  # bytes of all that is handed over
BATCH = 500  # metrics or parameters that MLflow takes at once


def open_store(scratch: Path, run: dict[str, str]) -> None:
    """Make a folder store with one open run, and have MLflow use it in this process."""
    home = scratch / STORE / "0"
    folder = home / run["id"]
    for name in PARTS:
        (folder / name).mkdir(parents=True)
    now = int(time.time() * 1000)
    experiment = {
        "artifact_location": home.as_uri(),
        "creation_time": now,
        "experiment_id": "0",
        "last_update_time": now,
        "lifecycle_stage": "active",
        "name": run["experiment"],
    }
    opened = {
        "artifact_uri": (folder / "artifacts").as_uri(),
        "end_time": None,
        "entry_point_name": "",
        "experiment_id": "0",
        "lifecycle_stage": "active",
        "run_id": run["id"],
        "run_name": run["name"],
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": now,
        "status": 1,
        "tags": [],
        "user_id": "",
    }
    for path, content in ((home, experiment), (folder, opened)):  # JSON is YAML, too
        (path / "meta.yaml").write_text(json.dumps(content), encoding="utf-8")
    os.environ.update(
        MLFLOW_TRACKING_URI=(scratch / STORE).as_uri(),
        MLFLOW_ALLOW_FILE_STORE="true",
        MLFLOW_EXPERIMENT_ID="0",
        MLFLOW_RUN_ID=run["id"],
    )


def packed(scratch: Path, run: dict[str, str]) -> bytes:
    """Return as an archive what is in the run by now."""
    home, buffer = scratch / STORE / "0" / run["id"], io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part in PARTS:
            for path in sorted((home / part).rglob("*")):
                if path.is_file():
                    name = path.relative_to(home).as_posix()
                    archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


def hand_over(content: bytes, run_id: str) -> str:
    """Log to a run of the engine's what the team has logged; return a note on what was left out.

    The content is the team's: what does not read as MLflow writes it is left out.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client, found, left_out = MlflowClient(), _read(content), 0
    for kind, make in (("params", _params), ("metrics", _metrics), ("tags", _tags)):
        made: list[Any] = []
        for name, text in found[kind].items():
            try:
                made += make(name, text.decode())
            except ValueError:
                left_out += 1
        for start in range(0, len(made), BATCH):
            entries: dict[str, Any] = {kind: made[start : start + BATCH]}
            try:
                client.log_batch(run_id, **entries)
            except MlflowException:  # a name or value that MLflow does not take
                left_out += len(entries[kind])
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in found["artifacts"].items():
            path = Path(scratch, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if found["artifacts"]:
            client.log_artifacts(run_id, scratch)
    return f"{left_out} entries of what fit logged were not taken" if left_out else ""


def _read(content: bytes) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {part: {} for part in PARTS}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(one.file_size for one in archive.infolist()) > LARGEST:
                return found
            for one in archive.infolist():
                part, _, name = one.filename.partition("/")
                pure = PurePosixPath(name)
                good = name and not pure.is_absolute() and ".." not in pure.parts
                own = part == "artifacts" and pure.parts[:1] and pure.parts[0] in OWN_ARTIFACTS
                if part in found and good and "\\" not in name and ":" not in name and not own:
                    found[part][name] = archive.read(one)
    except (zipfile.BadZipFile, OSError, ValueError):
        return {part: {} for part in PARTS}
    return found


def _params(name: str, text: str) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, text[:6000])]


def _metrics(name: str, text: str) -> list[Any]:
    from mlflow.entities import Metric

    made: list[Any] = []
    for line in text.splitlines():
        moment, value, *step = line.split(" ")
        made.append(Metric(name, float(value), int(moment), int(step[0]) if step else 0))
    return made


def _tags(name: str, text: str) -> list[Any]:
    from mlflow.entities import RunTag

    return [] if name.startswith(OWN_TAGS) else [RunTag(name, text[:5000])]

"""Let the team log to MLflow inside `fit`: to a temporary store, then to the engine's run.

The process that fits has no network and cannot write to the repository's store. It gets a folder
store with a run under the engine's run id, so plain `mlflow.log_metric` works.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from governed_ml.core.files import COMPOSED

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

STORE = "mlruns"
PARTS = ("params", "metrics", "tags", "artifacts")
OWN_TAGS, OWN_ARTIFACTS = ("mlflow.", "model_digest", "data"), ("model", *COMPOSED)
"""Prefixes of names that only the engine may write."""
RESERVED = {
    *("CON", "PRN", "AUX", "NUL"),
    *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10)),
}
"""Names that Windows reserves for devices."""
BAD_ARCHIVE = (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error)
LARGEST = 1 << 30  # most bytes transferred in all
BATCH = {"params": 100, "metrics": 500, "tags": 100}  # MLflow's limits per batch
REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
LARGEST_NUMBER = (1 << 63) - 1  # limit of times and steps


def open_store(scratch: Path, run: dict[str, str]) -> None:
    """Create a folder store with one open run, and make MLflow use it in this process."""
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
    for path, content in ((home, experiment), (folder, opened)):  # JSON is valid YAML
        (path / "meta.yaml").write_text(json.dumps(content), encoding="utf-8")
    os.environ.update(
        MLFLOW_TRACKING_URI=(scratch / STORE).as_uri(),
        MLFLOW_ALLOW_FILE_STORE="true",
        MLFLOW_EXPERIMENT_ID="0",
        MLFLOW_RUN_ID=run["id"],
    )


def packed(scratch: Path, run: dict[str, str]) -> bytes:
    """Return the current content of the run as an archive."""
    home, buffer = scratch / STORE / "0" / run["id"], io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part in PARTS:
            for path in sorted((home / part).rglob("*")):
                if path.is_file():
                    name = path.relative_to(home).as_posix()
                    archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


def hand_over(content: bytes, run_id: str, own: Collection[str] = ()) -> str:
    """Copy what the team logged to the engine's run; return a note about entries left out.

    The content is untrusted. Entries that MLflow could not have written are left out. So are
    parameters named in `own`, which the engine logs itself, because MLflow accepts only one value.
    """
    from mlflow.tracking import MlflowClient

    client, (found, left_out) = MlflowClient(), _read(content)
    for name in found["params"].keys() & set(own):
        del found["params"][name]
        left_out += 1
    for kind, make in (("params", _params), ("metrics", _metrics), ("tags", _tags)):
        made: list[Any] = []
        for name, text in found[kind].items():
            try:
                made += make(name, text.decode())
            except ValueError:
                left_out += 1
        for start in range(0, len(made), BATCH[kind]):
            left_out += _log(client, run_id, kind, made[start : start + BATCH[kind]])
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in found["artifacts"].items():
            left_out += not _written(Path(scratch, name), data)
        if found["artifacts"]:
            client.log_artifacts(run_id, scratch)
    return f"{left_out} entries of what fit logged were not taken" if left_out else ""


def _log(client: MlflowClient, run_id: str, kind: str, entries: list[Any]) -> int:
    """Log a batch or, if MLflow refuses it, each entry; return how many are left out.

    If the store itself does not answer, the engine's next logging reports it.
    """
    from mlflow.exceptions import MlflowException

    batch: dict[str, Any] = {kind: entries}
    try:
        client.log_batch(run_id, **batch)
    except MlflowException as error:
        if len(entries) == 1 or error.error_code not in REFUSALS:
            return len(entries)
        return sum(_log(client, run_id, kind, [entry]) for entry in entries)
    return 0


def _written(path: Path, data: bytes) -> bool:
    """Write a file; return False if its name is a folder or is invalid on this system."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (OSError, ValueError):
        return False
    return True


def _read(content: bytes) -> tuple[dict[str, dict[str, bytes]], int]:
    """Return part → name → bytes, and the number of entries left out."""
    found: dict[str, dict[str, bytes]] = {part: {} for part in PARTS}
    left_out = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(one.file_size for one in entries) > LARGEST:
                return found, len(entries)
            for one in entries:
                part, _, name = one.filename.partition("/")
                if part not in PARTS or not _is_name(name, part):
                    left_out += 1
                    continue
                try:
                    found[part][name] = archive.read(one)
                except (*BAD_ARCHIVE, NotImplementedError, RuntimeError):
                    left_out += 1
    except BAD_ARCHIVE:
        return {part: {} for part in PARTS}, left_out + 1
    return found, left_out


def _is_name(name: str, part: str) -> bool:
    """Return whether a name stays in its folder on every system and is not reserved."""
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
        return False
    if part != "artifacts":
        return True
    of_windows = any(
        one.endswith((".", " ")) or one.partition(".")[0].upper() in RESERVED for one in pure.parts
    )
    return not of_windows and pure.parts[0].casefold() not in OWN_ARTIFACTS


def _params(name: str, text: str) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, text[:6000])]


def _metrics(name: str, text: str) -> list[Any]:
    from mlflow.entities import Metric

    made: list[Any] = []
    for line in text.splitlines():
        moment, value, *step = line.split(" ")
        whole = int(moment), int(step[0]) if step else 0
        if max(map(abs, whole)) > LARGEST_NUMBER:
            raise ValueError(line)
        made.append(Metric(name, float(value), *whole))
    return made


def _tags(name: str, text: str) -> list[Any]:
    from mlflow.entities import RunTag

    return [] if name.startswith(OWN_TAGS) else [RunTag(name, text[:5000])]

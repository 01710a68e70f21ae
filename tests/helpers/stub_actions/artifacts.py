"""Stands in for upload-artifact and download-artifact: a folder in HOME is the storage."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def upload() -> str:
    """Keep files as upload-artifact does: below the deepest folder that all patterns share."""
    name, store = os.environ["NAME"] or "artifact", storage()
    patterns = [line.strip() for line in os.environ["WANTED"].splitlines() if line.strip()]
    found = [path for pattern in patterns for path in sorted(Path().glob(pattern.rstrip("/")))]
    files = [
        file
        for path in found
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file() and (os.environ["HIDDEN"] == "true" or not hidden(file))
    ]
    if not files:
        if os.environ["NONE"] == "error":
            sys.exit(f"No files were found with the provided path: {' '.join(patterns)}")
        return "nothing found"
    if (store / name).exists():
        if os.environ["OVERWRITE"] != "true":
            sys.exit(f"an artifact with the name {name} already exists on the workflow run")
        shutil.rmtree(store / name)
    roots = [pattern if "*" not in pattern else pattern.split("*")[0] for pattern in patterns]
    base = Path(os.path.commonpath([Path(root).absolute() for root in roots]))
    base = base if base.is_dir() else base.parent
    for file in files:
        target = store / name / file.absolute().relative_to(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return f"{len(files)} files kept as {name}"


def download() -> str:
    """Bring one artifact's files back, or fail as download-artifact does."""
    name = os.environ["NAME"]
    if not (storage() / name).is_dir():
        sys.exit(f"Unable to download artifact(s): Artifact not found for name: {name}")
    shutil.copytree(storage() / name, os.environ["WANTED"] or ".", dirs_exist_ok=True)
    return f"{name} is here"


def hidden(path: Path) -> bool:
    """Whether a part of the path begins with a dot."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def storage() -> Path:
    """Where artifacts are kept."""
    return Path(os.environ["HOME"]) / "artifacts"


if __name__ == "__main__":
    print({"upload": upload, "download": download}[sys.argv[1]]())

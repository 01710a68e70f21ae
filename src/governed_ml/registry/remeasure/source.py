"""Copy the data that a commit's `ingest` reads to the copy in which it is measured again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from governed_ml.core.config.params import read_raw
from governed_ml.core.config.source_files import copy_source, is_here
from governed_ml.core.evidence import AnyEvidence
from governed_ml.core.files import PARAMS
from governed_ml.core.problem import Problem


def bring(base: Path, scratch: Path, ingested: AnyEvidence) -> tuple[str, ...]:
    """Return ("ingest",) if its source can be read again without a network, else nothing.

    The source is taken from the commit's configuration, as composed in `scratch`.
    """
    source = _configured(scratch)
    if source["kind"] != ingested.body.source:
        raise Problem(
            "evidence of ingest was not measured on this commit: it names the source "
            f"{ingested.body.source}, but conf/ names {source['kind']}",
            1,
        )
    if source["kind"] == "synthetic":
        return ("ingest",)
    if source["kind"] != "file" or "://" in str(source["path"]):
        return ()
    inside = Path(os.path.normpath(str(source["path"])))
    outside = not inside.parts or inside.is_absolute() or inside.parts[0] == ".."
    if outside or not is_here(base / inside):
        return ()
    target = scratch / inside
    if not target.resolve().is_relative_to(scratch.resolve()):
        raise Problem(f"{inside.as_posix()} is outside the project: name a file in the project", 1)
    copy_source(base / inside, target)
    return ("ingest",)


def _configured(scratch: Path) -> dict[str, Any]:
    """Return `data.source` of a composed configuration, also if another engine composed it."""
    try:
        found: dict[str, Any] = read_raw(scratch / PARAMS)["data"]["source"]
        return {"kind": str(found["kind"]), "path": found.get("path")}
    except (KeyError, TypeError, AttributeError) as error:
        raise Problem(f"{PARAMS} names no data.source: run `uv run dvc repro`", 1) from error

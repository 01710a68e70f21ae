"""Compare the stages of `dvc.yaml` with the engine's, and check what a team's stages may write."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import Any

SOURCE = "data/source"  # the pipeline's source; a stage of the team may write it
KEPT = ("desc", "meta")  # keys of a stage that have no effect
OUTS = ("outs", "metrics", "plots", "outs_no_cache", "outs_persist")
Stage = dict[str, Any]


def changed_keys(own: Stage, wanted: Stage) -> list[str]:
    """Return the keys in which two stages differ; the order of lists is ignored."""
    keys = sorted((own.keys() | wanted.keys()) - set(KEPT))
    return [key for key in keys if _plain(own.get(key)) != _plain(wanted.get(key))]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(json.dumps(_plain(one), sort_keys=True, default=str) for one in value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value


def written_by_the_engine(stage: Stage, folder: str, engines: dict[str, Stage]) -> str | None:
    """Return why a team's stage interferes with the engine's stages, or None.

    `folder` is the stage's folder, relative to the project's root.
    """
    for path in _paths(stage, OUTS, folder):
        if path.startswith(("..", "/")):
            return f"writes {path}, which is outside the project"
        if path == SOURCE or path.startswith(f"{SOURCE}/"):
            continue
        for name, one in engines.items():
            for keys, what in ((OUTS, "writes"), (("deps",), "reads")):
                if any(_overlap(path, other) for other in _paths(one, keys)):
                    return f"writes {path}, which the engine's stage {name} {what}"
    return None


def _paths(stage: Stage, keys: tuple[str, ...], folder: str = "") -> Iterator[str]:
    """Yield the paths that a stage names under some keys; for a templated path, its folder."""
    inner = stage.get("do")
    body: Stage = inner if isinstance(inner, dict) else stage
    folder = posixpath.join(folder, str(body.get("wdir", "")))
    for key in keys:
        listed = body.get(key) or []
        for one in listed if isinstance(listed, list) else [listed]:
            path = str(next(iter(one)) if isinstance(one, dict) and one else one)
            fixed, template, _ = path.partition("${")
            path = posixpath.dirname(fixed) if template else path
            yield posixpath.normpath(posixpath.join(folder, path))


def _overlap(one: str, two: str) -> bool:
    """Return whether two paths are equal or one contains the other."""
    left, right = (f"{path}/".removeprefix("./") for path in (one, two))
    return left.startswith(right) or right.startswith(left)

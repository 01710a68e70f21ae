"""Check the inputs that no stage writes: source tables, expectations, the champion."""

from __future__ import annotations

from collections.abc import Iterator

from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.lineage.locked import folder_md5, pointer
from governed_ml.checks.lineage.project_state import ProjectState
from governed_ml.core.config.source_files import is_here, source_digest
from governed_ml.core.evidence import usable

COMPOSED = "compose"  # its inputs, conf/ and code, are compared by its outputs


def changed(state: ProjectState) -> Iterator[tuple[str, str, str]]:
    """Yield (file, change, stage) for inputs that changed since the stage read them."""
    source = _source(state)
    altered: set[str] = set()
    if source and is_here(state.base / source[0]):
        altered = {source[0]} if source_digest(state.base / source[0]) != source[1] else set()
    writers = state.lock.writers()
    for name in state.stages:
        for dep in state.lock.stages[name].deps:
            if name == COMPOSED or dep.path in writers:
                continue
            if _as_read(state, name, dep.path, dep.md5):
                continue
            which = {one for one in altered if one.startswith(f"{dep.path}/")}
            which = which or {one for one in state.edited if one.startswith(f"{dep.path}/")}
            for file in sorted(which) or [dep.path]:
                yield file, "it changed", name
    for file in altered:
        yield file, "it changed", "ingest"


def pointers(state: ProjectState) -> Iterator[CheckFinding]:
    """Compare the files that `*.dvc` files record with the files here."""
    for name, md5 in _pointers(state, "").items():
        here = state.here.md5(name)
        if here is not None and here != md5:
            yield CheckFinding(
                name, f"it is not what {name}.dvc says", f"run `uv run dvc add {name}`"
            )


def _as_read(state: ProjectState, stage: str, path: str, md5: str | None) -> bool:
    """Return whether a dependency is unchanged, or cannot be compared on this machine."""
    here = state.here.md5(path)
    if here == md5:
        return True
    if not (state.base / path).is_dir():
        return False
    kept = _pointers(state, f"{path}/")
    files = {one for one in state.tracked if one.startswith(f"{path}/")}
    committed = {one: state.here.digests(one)[0] for one in files} | kept
    if folder_md5({one.removeprefix(f"{path}/"): md5 for one, md5 in committed.items()}) == md5:
        return True  # other files here are not committed
    found, source = usable(state.evidence).get(stage), _source(state)
    read = set() if found is None else set(found.subject.inputs)
    read |= {source[0]} if source and stage == "ingest" else set()
    lost = {one for one in read - kept.keys() if one.startswith(f"{path}/")}
    return any(not is_here(state.base / one) for one in lost)


def _source(state: ProjectState) -> tuple[str, str] | None:
    """Return the file that was ingested and its digest at that time, or None."""
    found = usable(state.evidence).get("ingest")
    if found is None or found.body.source != "file" or found.body.sha256 is None:
        return None
    return found.body.uri, f"sha256:{found.body.sha256.removeprefix('sha256:')}"


def _pointers(state: ProjectState, under: str) -> dict[str, str]:
    """Return file → MD5 from the `*.dvc` files in git."""
    found: dict[str, str] = {}
    for name in state.tracked:
        if name.endswith(".dvc") and name.startswith(under):
            folder = name.rpartition("/")[0]
            for out in pointer(state.base / name):
                if out.md5:
                    found[f"{folder}/{out.path}" if folder else out.path] = out.md5
    return found

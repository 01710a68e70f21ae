"""Check that no sensitive attribute, and no configured proxy of one, is a feature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from governed_ml.checks.finding import CheckFinding
from governed_ml.core.files import PARAMS
from governed_ml.core.problem import Problem

SPLIT = "reports/evidence/split.json"


def findings(base: Path) -> list[CheckFinding]:
    """Compare `data.sensitive` and `data.proxies` in `params.yaml` with the features.

    The features are taken from the evidence of `split`. If there is none yet, every column without
    another role in the configuration counts as a feature.
    """
    if not (base / PARAMS).is_file():
        return []
    from governed_ml.core.config.params import read_raw

    data = _section(read_raw(base / PARAMS), "data", PARAMS)
    proxies: list[str] = data.get("proxies") or []
    roles = {data.get("target"), data.get("time"), data.get("group"), *(data.get("drop") or [])}
    fix = "list it under drop in conf/data, then run `uv run dvc repro`"
    found = [
        CheckFinding(PARAMS, f"{name!r} is both a proxy (data.proxies) and a feature", fix)
        for name in proxies
        if name not in roles | set(data.get("sensitive") or {})
    ]
    features = _features(base)
    for role, names in (("sensitive", list(data.get("sensitive") or {})), ("proxies", proxies)):
        kept = sorted({name for name in names if name.casefold() in features})
        found += [
            CheckFinding(
                SPLIT, f"{name!r} is named under data.{role} and is among the features", fix
            )
            for name in kept
        ]
    return found


def _features(base: Path) -> set[str]:
    if not (base / SPLIT).is_file():
        return set()
    from governed_ml.core.files import read_json

    body = _section(read_json(base / SPLIT), "body", SPLIT)
    return {str(name).casefold() for kind in ("numeric", "categorical") for name in body[kind]}


def _section(values: Any, name: str, file: str) -> dict[str, Any]:
    part = values.get(name) if isinstance(values, dict) else None
    if not isinstance(part, dict):
        raise Problem(f"{file} has no {name}: run `uv run dvc repro`")
    return part

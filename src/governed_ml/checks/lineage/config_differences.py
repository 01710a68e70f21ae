"""Find where two configurations differ, value by value, and the file in `conf/` that sets it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governed_ml.core.config import policy_files
from governed_ml.core.config.composition import CONF, GROUPS
from governed_ml.core.files import parse_yaml


def differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (`policy.rules[drift.data].block`, `0.25 → 0.3`) for each value that differs."""
    before, after = _parts(old), _parts(new)
    if before is None or after is None or not (before or after):
        if old != new:
            yield name, f"{_short(old)} → {_short(new)}"
        return
    for key in dict.fromkeys([*before, *after]):
        where = f"{name}{key}" if key.startswith("[") else f"{name}.{key}".strip(".")
        if key not in before:
            yield where, "is new"
        elif key not in after:
            yield where, "is gone"
        else:
            yield from differences(before[key], after[key], where)


def _parts(value: Any) -> dict[str, Any] | None:
    """Return the parts of a mapping, or of a list whose items have an id; None for other values."""
    if isinstance(value, dict):
        return {str(key): one for key, one in value.items()}
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        named = [one.get("id") or one.get("rule") for one in value]
        if None not in named and len(set(named)) == len(named):
            return {f"[{key}]": one for key, one in zip(named, value, strict=True)}
    return None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


class Members:
    """Finds the file in `conf/` that a value comes from."""

    def __init__(self, base: Path) -> None:
        """Read which files `conf/config.yaml` chooses."""

        self.base = base
        text = (base / CONF / "config.yaml").read_text(encoding="utf-8")
        chosen = [one for one in parse_yaml(text)["defaults"] if isinstance(one, dict)]
        self.members = {str(key): str(one[key]) for one in chosen for key in one}

    def file(self, name: str) -> str:
        """Return the file that sets a value, named like `policy.rules[drift.data].block`."""
        place = name.partition(":")[0]
        keys = [key for key in re.split(r"\[(.*?)\]|\.", place) if key]
        group = keys[0] if keys else ""
        if group not in GROUPS or group not in self.members:
            return (CONF / "config.yaml").as_posix()
        member = self.members[group]
        if group == policy_files.GROUP:
            path = policy_files.source_of(self.base / CONF, member, keys[1:])
            return path.relative_to(self.base).as_posix()
        return (CONF / group / f"{member}.yaml").as_posix()

"""Write `conf/data`, `conf/config.yaml` and the data contract, and keep what people edited."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from governed_ml.core.files import digest_of, parse_yaml, read_json, write_json
from governed_ml.core.problem import Problem
from governed_ml.init_data.answers import Draft

HEAD = "# Drafted by `governance init-data`; digest "
MARK = "drafted"  # key of a contract's `meta` with the digest of what was drafted
LISTS = ("drop", "proxies", "categorical", "numeric", "distinct")
ORDER = (
    *(
        "name",
        "task",
        "source",
        "target",
        "positive",
        "against",
        "classes",
        "rows",
        "drop_unlabelled",
    ),
    *("sensitive", "no_sensitive_reason", "drop", "proxies", "categorical", "numeric", "dates"),
    *("spellings", "distinct", "time", "group", "contract", "prediction_contract"),
)


def digest(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def earlier(path: Path) -> tuple[dict[str, Any], bool]:
    """Return the keys of an existing file, and whether somebody edited it since it was drafted."""
    if not path.is_file():
        return {}, False
    text = path.read_text(encoding="utf-8")
    first, _, body = text.partition("\n")
    edited = not (first.startswith(HEAD) and first.removeprefix(HEAD) == digest(body))
    found = parse_yaml(text)
    if not isinstance(found, dict):
        raise Problem(f"{path.as_posix()} is no mapping: correct it, or delete it")
    return found, edited


def as_yaml(draft: Draft) -> str:
    """Return the keys as YAML, each column with the reason for its role."""
    lines: list[str] = []
    for key in [one for one in ORDER if one in draft.keys]:
        value = draft.keys[key]
        if key in LISTS:
            if value:
                lines += [
                    f"{key}:",
                    *(f"  - {_flow(name)}{_because(draft, name)}" for name in value),
                ]
        elif key in ("source", "sensitive", "dates", "spellings"):
            if value:
                lines += [f"{key}:"]
                lines += [
                    f"  {_flow(name)}: {_flow(one)}{_because(draft, name)}"
                    for name, one in value.items()
                ]
        else:
            why = _because(draft, value) if key in ("target", "time", "group") else ""
            lines.append(f"{key}: {_flow(value)}{why}")
    body = "\n".join(lines) + "\n"
    return f"{HEAD}{digest(body)}\n{body}"


def _because(draft: Draft, name: str) -> str:
    told = draft.why.get(name)
    return f" # {' '.join('; '.join(told).split())}" if told else ""


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("...").strip()


def merged(draft: Draft, before: dict[str, Any]) -> None:
    """Put what is written in an edited file before what is proposed; new columns are added."""
    for key, value in before.items():
        mine = draft.keys.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            draft.keys[key] = {**mine, **value}
        elif isinstance(value, list) and isinstance(mine, list):
            draft.keys[key] = list(dict.fromkeys([*value, *mine]))
        else:
            draft.keys[key] = value


def chosen(text: str, group: str, name: str) -> str:
    """Return `conf/config.yaml` with another member of a group under `defaults`."""
    line = re.compile(rf"^(\s*-\s*{group}:[ \t]*)(\S+)", re.MULTILINE)
    if not line.search(text):
        raise Problem(
            f"conf/config.yaml chooses no {group}: add `- {group}: {name}` under `defaults` there"
        )
    return line.sub(lambda found: f"{found[1]}{name}", text, count=1)


def current(text: str, group: str) -> str:
    """Return the member of a group that `conf/config.yaml` chooses, or an empty text."""
    found = re.search(rf"^\s*-\s*{group}:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def write_contract(path: Path, suite: dict[str, Any]) -> bool:
    """Write a drafted suite unless somebody edited the one that is there; return whether."""
    own = digest_of(suite["expectations"])
    if path.is_file():
        found = read_json(path)
        meta = found.get("meta", {}) if isinstance(found, dict) else {}
        if not meta or meta.get(MARK) != digest_of(found.get("expectations")):
            return False
    write_json(path, suite | {"meta": {MARK: own}})
    return True

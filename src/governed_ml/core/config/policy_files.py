"""The files of `conf/policy/`: `base.yaml` with the rules, one file per tier with what differs.

In YAML, `rules` is a mapping from id to rule, because Hydra merges mappings and replaces lists. The
composed policy has a list, in the order of `base.yaml`; a tier adds its own rules at the end and
drops a rule by setting it to null.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem

GROUP, BASE = "policy", "base"
IN_PRODUCTION = ("monitoring", "canary")
"""Sections with rules of their own."""


def members(conf: Path, group: str) -> list[Path]:
    """Return the files of a group that `conf/config.yaml` may choose from, sorted by name."""
    found = sorted((conf / group).glob("*.yaml"))
    return [path for path in found if (group, path.stem) != (GROUP, BASE)]


def with_lists(policy: dict[str, Any], where: str) -> dict[str, Any]:
    """Turn each mapping of rules into a list; leave a policy that already has lists unchanged."""
    found = dict(policy)
    if isinstance(found.get("rules"), dict):
        found["rules"] = _listed(found["rules"], f"{where}.rules")
    for name in IN_PRODUCTION:
        section = found.get(name)
        if isinstance(section, dict) and isinstance(section.get("rules"), dict):
            rules = _listed(section["rules"], f"{where}.{name}.rules")
            found[name] = section | {"rules": rules}
    return found


def _listed(rules: dict[str, Any], where: str) -> list[Any]:
    return [_with_id(name, rule, where) for name, rule in rules.items() if rule is not None]


def _with_id(name: str, rule: Any, where: str) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise Problem(
            f"{where}[{name}] is {rule!r}: write the rule's keys there, such as `block: 0.1`"
        )
    if "id" in rule:
        raise Problem(
            f"{where}[{name}] also has an id, {rule['id']!r}: remove it, because the key is the "
            "rule's id"
        )
    return {"id": name} | rule


def sources(conf: Path, tier: str) -> list[Path]:
    """Return the files that a tier's policy is composed from. Later files override earlier ones."""
    paths = [conf / GROUP / f"{name}.yaml" for name in (BASE, tier)]
    return [path for path in paths if path.is_file()]


def source_of(conf: Path, tier: str, keys: list[str]) -> Path:
    """Return the file that sets the value at `keys`, such as `["rules", "drift.data", "block"]`.

    If no file sets it, return the file that contains the most of the keys; on a tie, the tier's
    own.
    """
    own = conf / GROUP / f"{tier}.yaml"
    return max([own, *sources(conf, tier)], key=lambda path: _depth(path, keys))


def _depth(path: Path, keys: list[str]) -> int:
    """Return how many of the keys, from the first on, a file contains; a null value counts."""
    import yaml

    try:
        here: Any = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return 0
    for depth, key in enumerate(keys):
        if isinstance(here, list):
            here = {one.get("id") or one.get("rule"): one for one in here if isinstance(one, dict)}
        if not isinstance(here, dict) or key not in here:
            return depth
        here = here[key]
        if here is None:
            return len(keys)
    return len(keys)


def rule_lines(conf: Path, tier: str) -> dict[str, tuple[Path, int]]:
    """Return rule → the file and line that set it last. "" → the first line of the tier's file."""
    import yaml

    found = {"": (conf / GROUP / f"{tier}.yaml", 1)}
    for path in sources(conf, tier):
        document = yaml.compose(path.read_text(encoding="utf-8"))
        for key, section in getattr(document, "value", []):
            if key.value == "rules":
                found |= {name: (path, line) for name, line in _lines(section)}
    return found


def _lines(rules: Any) -> Iterator[tuple[str, int]]:
    for item in rules.value:
        if isinstance(item, tuple):  # a mapping: the rule's id is the key
            yield str(item[0].value), item[0].start_mark.line + 1
            continue
        for field, value in item.value:
            if field.value == "id":
                yield str(value.value), value.start_mark.line + 1

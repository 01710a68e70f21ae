"""Find unquoted words and numbers that YAML 1.1 reads as something other than what they look like.

`NO` is false, `on` is true, `010` is 8 and `1:30` is 90. A category, group or column of that name
would silently become another value, so it has to be quoted or written unambiguously.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from governed_ml.core.problem import Problem, cause

MAY_BE = re.compile(r"(?i)(?<![\w.])(yes|no|on|off|[-+]?0[\d_]+(e[-+]?\d+)?|\d+:[0-5]?\d)(?!\w)")
EXPONENT = re.compile(r"[-+]?0[\d_]*\d[eE][-+]?\d+")
"""For example `00E0`: a number for OmegaConf, though not for YAML 1.1."""
TAG = "tag:yaml.org,2002:"


class Misread(NamedTuple):
    """An unquoted value, and the value that YAML reads it as."""

    line: int
    text: str
    value: object


def require_plain(conf: Path, idle: Collection[Path] = ()) -> None:
    """Raise `Problem` about the first value in `conf/` that YAML misreads.

    Files in `idle` are not part of the configuration and are skipped.
    """
    for path in sorted({*conf.rglob("*.yaml")} - {*idle}):
        first = next(misread(content(conf, path)), None)
        if first is not None:
            name = path.relative_to(conf.parent).as_posix()
            value = str(first.value).lower()
            raise Problem(
                f"{name}, line {first.line}: YAML reads {first.text} as {value}. If it is a "
                f'text, write "{first.text}" in quotes; if not, write {value}'
            )


def content(conf: Path, path: Path) -> str:
    """Return a file of `conf/` as text. Composing it later reports bytes that are not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        name = path.relative_to(conf.parent).as_posix()
        raise Problem(f"{name} cannot be read: {cause(error)}; fix or remove it") from error


def misread(text: str) -> Iterator[Misread]:
    """Yield each misread value of a YAML document. Nothing is yielded for text that is not YAML."""
    import yaml

    if not MAY_BE.search(text):
        return  # fast exit for most files
    for reader in (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader):
        loader: Any = reader(text)
        try:
            found = list(_misread(loader))
        except (yaml.YAMLError, ValueError):
            continue  # invalid YAML: composing the file reports it, with its place
        finally:
            loader.dispose()
        yield from found
        return


def _misread(loader: Any) -> Iterator[Misread]:
    for node in _scalars(loader.get_single_node(), set()):
        if _is_misread(node):
            exponent = EXPONENT.fullmatch(node.value)
            value: Any = (
                float(node.value.replace("_", "")) if exponent else loader.construct_object(node)
            )
            yield Misread(node.start_mark.line + 1, node.value, value)


def _scalars(node: Any, seen: set[int]) -> Iterator[Any]:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node.value, str):
        if not node.style:  # unquoted is None in the Python loader and "" in the C loader
            yield node
        return
    for one in node.value:
        for inner in one if isinstance(one, tuple) else (one,):
            yield from _scalars(inner, seen)


def _is_misread(node: Any) -> bool:
    if EXPONENT.fullmatch(node.value):
        return True
    if node.tag == f"{TAG}bool":
        return node.value.lower() not in ("true", "false")
    number = node.tag in (f"{TAG}int", f"{TAG}float")
    return number and (":" in node.value or re.match(r"[-+]?0[\d_]", node.value) is not None)

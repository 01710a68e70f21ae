"""The engine's pin in `pyproject.toml`: which engine it names, and how to rewrite it."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from governed_ml.core.installation.lockfile import METADATA
from governed_ml.core.problem import Problem, first_line

ENGINE = "governed-ml"
COMMIT = re.compile(r"[0-9a-f]{40}")
LINE = re.compile(rf"^{ENGINE} = \{{.*$", re.MULTILINE)
INDEX = re.compile(
    rf'^\[\[tool\.uv\.index\]\]\nname = "{ENGINE}"\n(?:\w+ = .*\n)*\n?', re.MULTILINE
)
SOURCES = "[tool.uv.sources]\n"

Source = dict[str, Any]
"""The inline table of `[tool.uv.sources] governed-ml`: git and rev, index, or path."""


def source(text: str) -> Source:
    """Return the engine's source in the text of a `pyproject.toml`; empty if it has none."""
    uv = metadata(text).get("tool", {}).get("uv", {})
    found = uv.get("sources", {}).get(ENGINE, {}) if isinstance(uv, dict) else {}
    return dict(found) if isinstance(found, dict) else {"several": found}


def metadata(text: str) -> dict[str, Any]:
    """Parse a `pyproject.toml`."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        said = first_line(error, 100)
        raise Problem(f"{METADATA} is not readable TOML ({said}): fix it") from error


def described(found: Source) -> str:
    """Return a source as text for reports."""
    if "git" in found:
        return f"{found['git']} at {str(found.get('rev', '(no commit)'))[:12]}"
    if "path" in found:
        return f"the {'wheel' if is_wheel(found) else 'folder'} {found['path']}"
    if "index" in found:
        return f"the index {found['index']!r}"
    return json.dumps(found) if found else "the default index"


def is_wheel(found: Source) -> bool:
    """Return whether a source is a wheel in the repository."""
    return str(found.get("path", "")).endswith(".whl")


def rewritten(text: str, wanted: Source, index: str = "", comment: str = "") -> str:
    """Return the text of `pyproject.toml` with another source of the engine and its index."""
    line = f"{ENGINE} = {inline(wanted)}" + (f" # {comment}" if comment else "")
    made, count = LINE.subn(lambda _: line, INDEX.sub("", text))
    if count != 1:
        raise Problem(
            f"{METADATA} has {count} lines `{ENGINE} = {{ … }}` under [tool.uv.sources], not one: "
            f"write `{line}` there"
        )
    if index:
        block = ("[[tool.uv.index]]", f'name = "{ENGINE}"', f"url = {json.dumps(index)}")
        text = "\n".join((*block, "explicit = true\n\n"))
        made = made.replace(SOURCES, text + SOURCES, 1)
    return made


def inline(values: Source) -> str:
    """Return values as an inline table of TOML."""
    return f"{{ {', '.join(f'{name} = {json.dumps(value)}' for name, value in values.items())} }}"

"""Which files of a project are the template's, and what a difference from it is.

Who edits a gate edits what judges: such files come from the template, or they are a finding. That
holds for as long as somebody reviews `.cruft.json`, `governance/` and these files (CODEOWNERS).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from governed_ml.core.problem import Problem, cause

PACKAGE = Path(__file__).parents[1].name
STATE = ".cruft.json"
METADATA = "pyproject.toml"
WORKFLOWS = ".github/workflows/"
# The template's: everything under these folders, but for what is the team's.
ACCESS = tuple(f".github/actions/{name}-access/" for name in ("data", "ledger"))
GOVERNED = ("src/", WORKFLOWS, *ACCESS, "governance/schemas/")
TEAMS = (f"src/{PACKAGE}/pipeline/",)
# And of pyproject.toml, what decides which code `governance` runs.
KEYS = (
    ("project", "dependencies"),
    ("project", "optional-dependencies"),
    ("project", "scripts"),
    ("build-system",),
    ("tool", "hatch"),
    ("tool", "uv"),  # where packages come from, and which
)


class Difference(NamedTuple):
    """One file or key that is not as the template has it: what, in which way, what to do."""

    file: str
    key: str  # of pyproject.toml, as in `[tool.uv.sources]`; of any other file empty
    reason: str
    mend: str

    @property
    def place(self) -> str:
        """Return how `governance/differences.yaml` names it."""
        return f"{self.file} {self.key}".strip()

    @property
    def line(self) -> str:
        """Return it as a line for people."""
        return f"{self.file}: {f'{self.key} {self.reason}'.strip()}; {self.mend}"


def governed(name: str) -> bool:
    """Return whether a file of the project is the template's."""
    return name.startswith(GOVERNED) and not name.startswith(TEAMS)


def keys(base: Path) -> dict[str, Any]:
    """Return the governed keys of a folder's pyproject.toml and their values (None: absent)."""
    try:
        return keys_of((base / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{METADATA} cannot be read ({cause(error)}): mend it") from error


def keys_of(text: str) -> dict[str, Any]:
    """Return the governed keys of the text of a pyproject.toml and their values."""
    whole = tomllib.loads(text)
    found: dict[str, Any] = {}
    for key in KEYS:
        value: Any = whole
        for part in key:
            value = value.get(part) if isinstance(value, dict) else None
        found[f"[{'.'.join(key)}]"] = value
    return found

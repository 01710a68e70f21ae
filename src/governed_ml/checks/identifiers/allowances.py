"""Identifiers that are allowed in a project's files. None of them is allowed in data.

- Identifiers that belong to nobody: domains of RFC 2606 and RFC 6761, addresses that nobody reads
  (noreply), phone numbers reserved for fiction. (Private IP addresses are not detected at all.)
- E-mail addresses of the people who are accountable for the project, from the files in `OWNERS`.
- IP addresses in a lock file, where four numbers are a version.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from governed_ml.checks.files.texts import read, text
from governed_ml.checks.identifiers.detection import EMAIL

RESERVED = re.compile(
    r"@(?:.+\.)?(?:example\.(?:com|net|org)|example|test|invalid|localhost)$", re.IGNORECASE
)
NOBODY = re.compile(r"^(?:no-?reply|donotreply)@|@users\.noreply\.github\.com$", re.IGNORECASE)
FICTION = re.compile(r"^1?[2-9]\d\d55501\d\d$|^(?:44|0)(?:7700900|2079460)\d{3}$")
OWNERS = {  # file → pattern of lines with the addresses of accountable people
    "pyproject.toml": re.compile(r"^(?:authors|maintainers) = .*|^ *\{.*\bemail *= .*", re.M),
    ".cruft.json": re.compile(r'^ *"author_email": .*', re.M),
    "governance/approvers.yaml": re.compile(r"^ *(?:- )?emails: .*(?:\n *- [^ :]+$)*", re.M),
    ".github/CODEOWNERS": re.compile(r"^[^#\n]+", re.M),
}


def allowed(base: Path, name: str, kind: str, written: str) -> bool:
    """Return whether an identifier is allowed in a file of the project."""
    if kind == "e-mail address":
        nobodys = RESERVED.search(written) or NOBODY.search(written)
        return bool(nobodys) or written.casefold() in owners(base)
    if kind == "phone number":
        return bool(FICTION.search(re.sub(r"\D", "", written)))
    return kind == "IP address" and name.endswith(".lock")


@cache
def owners(base: Path) -> frozenset[str]:
    """Return the e-mail addresses of the people who are accountable for the project."""
    found: set[str] = set()
    for name, lines in OWNERS.items():
        path = base / name
        whole = (text(read(path)) if path.is_file() else None) or ""
        for line in lines.finditer(whole):
            found |= {one[0].casefold() for one in EMAIL.finditer(line[0])}
    return frozenset(found)

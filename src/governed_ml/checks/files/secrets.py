"""Find secrets with detect-secrets, without verifying them over the network.

There is no baseline file. To accept a line, mark it with `pragma: allowlist secret`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from governed_ml.checks.files.texts import read, text
from governed_ml.checks.finding import CheckFinding, written
from governed_ml.core.installation.lockfile import LOCK, METADATA

FIX = (
    "remove it and revoke it where it is used; if it is not a secret, end the line with `pragma: "
    "allowlist secret`"
)
# The engine's pin, whose commit looks random: `governed-ml = { git = "…", rev = "<40 hex>" }`.
HEX = "Hex High Entropy String"
PIN = re.compile(r'governed-ml = \{ git = "[^"]*", rev = "[0-9a-f]{40}" \}(?: *#.*)?')
ENTROPY = (HEX, "Base64 High Entropy String")
DIGESTS = (".dvc", ".lock", "-lock.json", ".sum", ".svg", ".map")  # full of random-looking digests
# Files that detect-secrets skips because of their name, whatever they contain.
BY_NAME = ("is_non_text_file", "is_lock_file", "is_swagger_file")


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Report the lines that look like a secret, without showing the secret."""
    with _offline():
        return _look(base, names)


def _look(base: Path, names: list[str]) -> list[CheckFinding]:
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings, get_plugins

    found: list[CheckFinding] = []
    with default_settings() as settings, tempfile.TemporaryDirectory() as scratch:
        settings.disable_filters(*(f"detect_secrets.filters.heuristic.{one}" for one in BY_NAME))
        plugins = list(get_plugins())
        plain = [one for one in plugins if one.secret_type not in ENTROPY]
        for name in names:
            # A lock file has thousands of digests.
            path = None if name == LOCK else _utf8(base / name, Path(scratch))
            digests = written(name) or name.endswith(DIGESTS)
            if path is None or not _suspected(path, plain if digests else plugins):
                continue
            for one in scan_file(str(path)):
                pinned = name == METADATA and one.type == HEX and _is_pin(path, one.line_number)
                if not (pinned or (digests and one.type in ENTROPY)):
                    reason = f"line {one.line_number} looks like a secret ({one.type})"
                    found.append(CheckFinding(name, reason, FIX))
    return found


def _is_pin(path: Path, number: int) -> bool:
    """Return whether a line of `pyproject.toml` is the engine's pin."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return bool(0 < number <= len(lines) and PIN.fullmatch(lines[number - 1]))


@contextmanager
def _offline() -> Generator[None]:
    """Prevent detect-secrets from importing `requests`, which it needs only to verify secrets.

    Importing it takes longer than scanning a commit. Afterwards `requests` can be imported again.
    """
    if "requests" in sys.modules:
        yield
        return
    stand_in: Any = ModuleType("requests")
    stand_in.Response = object
    sys.modules["requests"] = stand_in
    try:
        yield
    finally:
        del sys.modules["requests"]


def _utf8(path: Path, scratch: Path) -> Path | None:
    """Return a text file's path, or that of a copy in UTF-8, which detect-secrets requires."""
    data = read(path)
    found = text(data)
    if found is None:
        return None
    if found.encode() == data:
        return path
    copy = scratch / path.name
    copy.write_text(found, encoding="utf-8")
    return copy


def _suspected(path: Path, plugins: list[Any]) -> bool:
    """Return whether any plugin reports something before the filters, which are slow, are run."""
    return any(
        plugin.analyze_line(filename=str(path), line=line.rstrip(), line_number=number)
        for lines in _readings(path)
        for number, line in enumerate(lines, 1)
        for plugin in plugins
    )


def _readings(path: Path) -> Iterator[list[str]]:
    """Yield a file's lines in each of the ways in which detect-secrets parses it."""
    from detect_secrets.transformers import get_transformed_file

    with path.open(encoding="utf-8", errors="replace") as file:
        yield file.readlines()
        named: Any = file  # detect-secrets uses only the attribute `name`
        for eager in (False, True):
            file.seek(0)
            yield get_transformed_file(named, use_eager_transformers=eager) or []

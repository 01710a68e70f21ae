"""Find secrets with detect-secrets, without verifying them over the network.

There is no baseline: who accepts a line says so on it (`pragma: allowlist secret`).
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
# The engine's pin is a commit, which looks random: `governed-ml = { git = "…", rev = "<40 hex>" }`.
HEX = "Hex High Entropy String"
PIN = re.compile(r'governed-ml = \{ git = "[^"]*", rev = "[0-9a-f]{40}" \}(?: *#.*)?')
ENTROPY = (HEX, "Base64 High Entropy String")
DIGESTS = (".dvc", ".lock", "-lock.json", ".sum", ".svg", ".map")  # full of what looks random
# What detect-secrets leaves out by a file's name, whatever is in it.
BY_NAME = ("is_non_text_file", "is_lock_file", "is_swagger_file")


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Name the lines that hold what looks like a secret; never the secret."""
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
            # A lock is thousands of digests of packages.
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
    """Keep `requests` out: detect-secrets needs it to verify, which takes a network, and is slow.

    Importing it takes longer than scanning a commit. Afterwards the name is free for the library.
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
    """Return a text, or its copy in UTF-8: detect-secrets leaves out what it cannot decode."""
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
    """Return whether a plugin sees anything, before the filters, which take most of the time."""
    return any(
        plugin.analyze_line(filename=str(path), line=line.rstrip(), line_number=number)
        for lines in _readings(path)
        for number, line in enumerate(lines, 1)
        for plugin in plugins
    )


def _readings(path: Path) -> Iterator[list[str]]:
    """Yield a file's lines in each way in which detect-secrets reads it."""
    from detect_secrets.transformers import get_transformed_file

    with path.open(encoding="utf-8", errors="replace") as file:
        yield file.readlines()
        named: Any = file  # to detect-secrets, a file is what has a name
        for eager in (False, True):
            file.seek(0)
            yield get_transformed_file(named, use_eager_transformers=eager) or []

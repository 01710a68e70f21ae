"""Edits that break a part of what catches an engine or a library that is not itself."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "shadow-module": [
        ("checks.stand_ins", "            if name in CUSTOM:\n", "            if not name:\n"),
        ("checks.stand_ins", "elif name in libraries or", "elif not name and"),
    ],
    "python-path": [
        ("core.installation.replaced_libraries", "if environment.get(name):", "if not name:"),
    ],
    "site-hook": [
        ("core.installation.replaced_libraries", "if path.name in names:", "if not names:"),
    ],
    "pth-file": [
        ("core.installation.replaced_libraries", "and not _recorded(path, some)", "and not path"),
    ],
    "patched-engine": [
        ("core.installation.records", "if not unchanged:", "if not path:"),
    ],
    "added-module": [
        (
            "core.installation.records",
            "        if path not in known:\n            yield",
            "        if not path:\n            yield",
        ),
    ],
    "forged-lock-entry": [
        (
            "checks.lock_sources",
            "if registry and address and host not in",
            "if host is None and host in",
        ),
    ],
    "moved-pin": [
        ("checks.lock_sources", 'if "git" in one and not COMMIT', "if not one and not COMMIT"),
        ("checks.lock_sources", "        if uv.get(key):\n", "        if not key:\n"),
        ("checks.engine", "    if (base / SETTINGS).is_file():\n", "    if not base:\n"),
        ("checks.engine", "    if folder or not pinned:\n", "    if not who:\n"),
    ],
}

"""Edits that break a part of what keeps the service from serving or running as it must not."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "served-model": [
        (
            "registry.release.signing",
            "    if not signature.is_file():\n",
            "    if signature:\n        return\n    if not signature.is_file():\n",
        ),
    ],
    "served-key": [
        (
            "registry.release.signing",
            "    if not keys:\n",
            "    if not keys:\n        return\n    if not keys:\n",
        ),
    ],
    "open-service": [
        (
            "core.config.production.serve",
            'if self.authentication == "loopback" and not is_loopback(self.host):',
            'if self.authentication == "loopback" and not self.host:',
        ),
    ],
    "unwritable-log": [
        (
            "serving.app.start",
            "for place in (PREDICTIONS, SENSITIVE, TRUTH):",
            "for place in (SENSITIVE, TRUTH):",
        ),
    ],
}

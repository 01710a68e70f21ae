"""Edits that break a part of what verifies the ledger, the registry and approvals."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "edited-ledger": [
        (
            "ledger.chain",
            "event.previous == (GENESIS if before is None else before.event.digest())",
            "bool(event.previous)",
        ),
    ],
    "cut-ledger": [
        (
            "ledger.verification",
            'return f"the ledger was trunc',
            'return "" and f"the ledger was trunc',
        ),
    ],
    "reordered-ledger": [
        ("ledger.chain", "(event.sequence == number,", "(event.sequence > 0,"),
    ],
    "rewritten-ledger": [
        ("ledger.verification", "if here != anchor.commit:", "if not here:"),
    ],
    "emptied-ledger": [
        (
            "ledger.verification",
            'return (\n            f"this clone has no event',
            'return "" and (\n            f"this clone has no event',
        ),
    ],
    "moved-alias": [
        ("registry.reconcile", "if ledgers != registrys:", "if alias is None:"),
    ],
    "forged-tag": [
        (
            "registry.reconcile",
            "            if tags.get(tag) != value\n        ]",
            "            if tag is None\n        ]",
        ),
    ],
    "replayed-approval": [
        (
            "registry.approval.approvals",
            "if getattr(approval, name) != bound.get(name):",
            "if name not in bound:",
        ),
    ],
    "tampered-model": [
        (
            "registry.release.signing",
            "    if not signature.is_file():\n",
            "    if signature:\n        return\n    if not signature.is_file():\n",
        ),
    ],
}

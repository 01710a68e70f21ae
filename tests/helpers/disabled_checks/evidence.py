"""Edits that break a part of what judges the evidence."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "missing-evidence": [
        (
            "policy.judge",
            'return RuleJudgement("insufficient", found.reason, absent=True)\n    metric',
            'return RuleJudgement("pass", found.reason, absent=True)\n    metric',
        ),
    ],
    "stale-evidence": [
        ("policy.gate", "if here != digest:", "if not digest:"),
    ],
    "nan-evidence": [
        (
            "core.evidence",
            "model_validate_json(path.read_bytes())",
            'model_validate_json(path.read_bytes().replace(b"NaN", b"0.0"))',
        ),
    ],
    "expired-waiver": [
        ("policy.judge", "if today > waiver.expires:", "if today is None:"),
    ],
    "forged-lock": [
        (
            "registry.remeasure.committed_evidence",
            "            require_same(gate, claimed, found)\n",
            "            require_same(gate, found, found)\n",
        ),
    ],
}

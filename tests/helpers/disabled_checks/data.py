"""Edits that break a part of what measures a table and a model."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "schema": [
        ("pipeline.stages.validate", "if not one.success]", "if one.success is None]"),
    ],
    "nulls": [
        ("pipeline.contract.outcomes", 'float(one["kwargs"].get("mostly", 1.0))', "0.0"),
    ],
    "drift": [
        ("pipeline.stages.drift", "Metric(value=index, n", "Metric(value=index and 0.0, n"),
    ],
    "bias": [
        ("policy.expected_rules", "sizes = range(1,", "sizes = range(2,"),
    ],
    "subgroup": [
        ("policy.expected_rules", "range(1, len(self.attributes) + 1)", "range(1, 2)"),
    ],
    "proxy": [
        ("measures.proxies", "Metric(value=score,", "Metric(value=0.5,"),
    ],
    "leak": [
        ("measures.leaks", "return max(area, 1 - area)\n\n\ndef exp", "return 0.5\n\n\ndef exp"),
    ],
}

"""Edits that break a part of what watches a model in production."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "empty-batch": [("monitoring.window", "if rows < limits.minimum_rows:", "if rows < 0:")],
    "stale-batch": [
        ("monitoring.window", "if stale and digest not in asked.known:", "if stale == 0:"),
    ],
    "lost-column": [
        (
            "monitoring.window",
            "for name in features if in_log(name) in given.new.lost]",
            "for name in features if not name]",
        ),
    ],
    "drifted-batch": [
        ("monitoring.reference", "Metric(value=left, n=n,", "Metric(value=0.0, n=n,"),
    ],
    "group-shift": [
        ("monitoring.judge_window", "    return len(row)\n", "    return len(row[:0])\n")
    ],
    "unwatched": [
        ("ledger.liveness", "if days <= limits.liveness_days:", "if days >= 0:"),
    ],
}

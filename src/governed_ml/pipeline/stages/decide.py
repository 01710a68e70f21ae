"""Judge the evidence under the policy and write the decision.

The exit code is 0 on allow and on deny, because a denied model is a result. `governance gate` has
the exit code that blocks.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.core.config.params import Params, parse, read_raw
from governed_ml.core.evidence import Collected, collect, usable
from governed_ml.core.files import PARAMS, write_json
from governed_ml.core.tables import in_drift
from governed_ml.pipeline.stage_runner import draw, tell
from governed_ml.policy.decision import save
from governed_ml.policy.decision_screen import show
from governed_ml.policy.judge import judge

SECTIONS = ("project", "data", "policy", "deployment", "seed", "experiment", "split", "model")
METRICS = Path("reports/metrics.json")
ALLOWED = "Commit and push; `uv run governance register` then offers the model for approval."


def main() -> str:
    """Write `reports/decision.json` and `reports/metrics.json`, draw the page, print the result."""
    params = parse(read_raw(), PARAMS)
    evidence = collect(Path())
    decision = judge(params, evidence, datetime.now(UTC).date())
    write_json(METRICS, side_by_side(params, evidence))
    save(decision)
    undrawn = draw("decide", params)
    tell("decide", lambda: show(decision, then=ALLOWED))
    if undrawn:
        print(
            f"decide: {undrawn}. The decision is valid; draw the page with `uv run governance "
            "page`",
            file=sys.stderr,
        )
    return f"{decision.verdict}: {decision.tally()}"


def side_by_side(params: Params, evidence: Collected) -> dict[str, dict[str, float]]:
    """Return gate → metric → value for `dvc metrics diff`, without metrics of single features."""
    there = usable(evidence)
    split = there.get("split")
    names = [] if split is None else [*split.body.numeric, *split.body.categorical]
    features = set(map(in_drift, names))
    table: dict[str, dict[str, float]] = {}
    for gate in ("evaluate", "fairness", "drift", "explain", "validate", "split"):
        found = there.get(gate)
        if found is not None:
            table[gate] = {
                name: metric.value
                for name, metric in found.metrics.items()
                if metric.value is not None and not _of_a_feature(name, features)
            }
    return table


def _of_a_feature(name: str, features: set[str]) -> bool:
    return name.startswith("leak.") or name.rpartition(".")[0] in features

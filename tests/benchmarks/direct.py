"""What the gates measure, with the libraries used directly on whole DataFrames.

    python direct.py contract|drift|fairness|psi

Runs in a project's folder and prints one line of JSON. At most 12 GB of memory, where the system
can say so.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

LIMIT = 12 * 2**30
FLOOR = 1e-4  # what an empty bin counts as, as in the pipeline's PSI


def evidence(gate: str) -> dict[str, Any]:
    """The evidence that the pipeline's own stage has just written."""
    return json.loads(Path(f"reports/evidence/{gate}.json").read_text(encoding="utf-8"))


def contract() -> dict[str, Any]:
    """Great Expectations' own way: the whole suite on the whole DataFrame."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    suite = json.loads(Path("governance/expectations/synthetic.json").read_text(encoding="utf-8"))
    for place, one in enumerate(suite["expectations"]):
        one["meta"] = {"place": place}
        if isinstance(one["kwargs"].get("min_value"), str):
            one["kwargs"]["min_value"] = pd.Timestamp(one["kwargs"]["min_value"])
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("table").add_dataframe_asset("rows")
    frame = pd.read_parquet("data/raw.parquet")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    results = batch.validate(gx.ExpectationSuite(**suite), result_format="BASIC").results
    ours = evidence("validate")["body"]["expectations"]
    flags = [
        bool(result.success) == ours[result.expectation_config.meta["place"]]["success"]
        for result in results
    ]
    return {"compared": len(flags), "different": flags.count(False)}


def drift() -> dict[str, Any]:
    """Evidently's PSI on both whole parts, and its page."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    body = evidence("split")["body"]
    definition = DataDefinition(
        numerical_columns=body["numeric"], categorical_columns=body["categorical"]
    )
    chosen = body["numeric"] + body["categorical"]
    new, old = (
        Dataset.from_pandas(
            pd.read_parquet(f"data/split/{part}.parquet", columns=chosen),
            data_definition=definition,
        )
        for part in ("test", "train")
    )
    report = Report([DataDriftPreset(num_method="psi", cat_method="psi")], include_tests=True)
    found = report.run(current_data=new, reference_data=old)
    return {"compared": len(found.dict()["metrics"]), "page": len(found.get_html_str(False))}


def fairness() -> dict[str, Any]:
    """Fairlearn's MetricFrame on the test rows: the same metrics, attributes, intersections."""
    import fairlearn.metrics as fm
    import pandas as pd
    from sklearn.metrics import precision_score

    rows = pd.read_parquet("data/predictions.parquet", filters=[("part", "==", "test")])
    groups = pd.read_parquet("data/sensitive/test.parquet")
    rows = rows.merge(groups, on="__row")
    metrics = {
        "demographic_parity": fm.selection_rate,
        "equal_opportunity": fm.true_positive_rate,
        "false_positive_rate": fm.false_positive_rate,
        "predictive_parity": precision_score,
    }
    told, worst, compared = evidence("fairness")["metrics"], 0.0, 0
    names = [name for name in groups.columns if name != "__row"]
    for size in range(1, len(names) + 1):
        for chosen in combinations(names, size):
            frame = fm.MetricFrame(
                metrics=metrics,
                y_true=rows["__target"],
                y_pred=rows["prediction"],
                sensitive_features=rows[list(chosen)],
            )
            values = {"difference": frame.difference(), "ratio": frame.ratio()}
            for kind, value in values.items():
                odds = (value["equal_opportunity"], value["false_positive_rate"])
                value = value.drop("false_positive_rate").to_dict()
                value["equalized_odds"] = max(odds) if kind == "difference" else min(odds)
                for name, number in value.items():
                    ours = told[f"{'*'.join(chosen)}.{name}_{kind}"]["value"]
                    worst, compared = max(worst, abs(ours - number)), compared + 1
    return {"compared": compared, "largest": worst}


def psi() -> dict[str, Any]:
    """Plain NumPy's PSI on the evidence's frozen bins, against the evidence's."""
    import numpy as np
    import pandas as pd

    def shares(part: str, column: dict[str, Any]) -> Any:
        name, values = column["name"], None
        values = pd.read_parquet(f"data/split/{part}.parquet", columns=[name])[name]
        if column["kind"] == "categorical":
            known = [label.removeprefix("= ") for label in column["bins"] if label[:2] == "= "]
            counts = values.value_counts()
            inside = [counts.get(value, 0) for value in known]
            return np.array([*inside, counts.sum() - sum(inside), values.isna().sum()])
        x, edges = values.dropna().to_numpy(), np.array(column["edges"])
        outside = ((x < edges[0]).sum(), (x > edges[-1]).sum())
        x = x[(x >= edges[0]) & (x <= edges[-1])]
        if column["bins"][1].startswith("= "):
            inside = [(x == value).sum() for value in edges]
            inside.append(len(x) - sum(inside))
        else:
            place = np.clip(np.searchsorted(edges, x, side="left"), 1, len(edges) - 1) - 1
            inside = np.bincount(place, minlength=len(edges) - 1)
        return np.array([outside[0], *inside, outside[1], values.isna().sum()])

    worst, compared = 0.0, 0
    for column in evidence("drift")["body"]["columns"]:
        if column["name"] in ("prediction", "target"):
            continue
        sides = (shares(part, column) for part in ("train", "test"))
        r, c = (np.maximum(counts / counts.sum(), FLOOR) for counts in sides)
        plain = float(((c - r) * np.log(c / r)).sum())
        worst = max(worst, abs(plain - column["population_stability_index"]))
        compared += 1
    return {"compared": compared, "largest": worst}


if __name__ == "__main__":
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    except (ImportError, ValueError, OSError):
        pass  # no such limit on this system
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        print(json.dumps(globals()[sys.argv[1]]()), flush=True)
    except MemoryError:
        sys.exit("MemoryError")
    os._exit(0)

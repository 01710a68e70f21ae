"""What evidence says about the explanation of a model."""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.core.evidence import Metric


@dataclass(frozen=True)
class Explanation:
    """The mean absolute SHAP value of each feature, and the share of rows that pass the check."""

    method: str
    output: str
    rows: int
    importance: dict[str, float]
    coverage: Metric

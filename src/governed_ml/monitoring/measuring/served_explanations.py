"""The share of a window's predictions that the service explained: explainability coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.policy import SERVED_SHARE, Monitoring
from governed_ml.core.evidence import Metric
from governed_ml.measures.bounds.quantiles import normal_quantile, student_quantile, wilson
from governed_ml.measures.clusters import rate_worth

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.monitoring.feeds import FeedRows

UNKNOWN = "no row says whether it was explained: `governance serve` answered none of them"


def limits_of(policy: Policy) -> Monitoring | None:
    """Return the policy's rules of a window.

    Rules about explanations apply only if the policy wants predictions explained that nobody asks
    to be explained.
    """
    limits = policy.monitoring
    if limits is None or (policy.explain and policy.explain.least_share > 0):
        return limits
    rules = [rule for rule in limits.rules if rule.metric != SERVED_SHARE]
    return limits.model_copy(update={"rules": rules})


def explained(rows: FeedRows, confidence: float) -> Metric:
    """Return the share of rows with an explanation, among those that say so, with bounds.

    The service explains all rows of a request or none, so the bounds are by request.
    """
    import pandas as pd

    said = None if rows.explained is None else rows.explained.loc[rows.frame.index].dropna()
    if said is None or said.empty:
        return Metric(value=None, n=0, note=UNKNOWN)
    hit = said.eq("true").to_numpy()
    worth = rate_worth(pd.factorize(_requests(rows, said))[0].astype("int64"), hit)
    effect, many = float(worth.effect[0]), worth.persons.astype("float64")
    z = normal_quantile(confidence, 1)
    if many[0] > 1:
        z = float(student_quantile(confidence, 1, many - 1)[0])
    found = wilson(hit.sum() / effect, len(hit) / effect, z)
    low, high = float(found.lower), float(found.upper)
    return Metric(value=float(hit.mean()), lower=low, upper=high, n=len(hit))


def _requests(rows: FeedRows, said: pd.Series) -> pd.Series:
    """Return what names each row's request; without it, each row is one."""
    if "request_id" in rows.frame:
        return rows.frame.loc[said.index, "request_id"]
    return said.index.to_series()

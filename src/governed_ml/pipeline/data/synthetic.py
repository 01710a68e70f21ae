"""A synthetic credit table with known true relations, and named faults that can be switched on.

Without faults, the following holds, so that verdicts can be checked:

- No column depends on `sex`, `age_group` or `region`. So every fairness gap is zero except for
  chance, and no feature predicts a sensitive attribute (AUC 0.5).
- Nothing depends on `applied_on`, so there is no drift between any two periods.
- `repaid` is "yes" with probability 1 / (1 + exp(-`repayment_logit`)), in about 70 % of the rows.
  The best possible ROC AUC is 0.83; no single feature exceeds 0.7.
- `credit_limit` is `limit_mean` with 17 % log-normal noise; the best model has R² of about 0.87.
- `savings` is null in 8 % of the rows and `employment_status` in 3 %, completely at random.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from governed_ml.core.problem import Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

START, DAYS = "2023-01-01", 730  # 24 months
NEWEST = 0.75  # share of the days after which the fault `drifted` begins
EMPLOYMENT = {
    "permanent": 0.55,
    "temporary": 0.15,
    "self_employed": 0.12,
    "retired": 0.10,
    "unemployed": 0.08,
}
HOUSING = {"owner": 0.45, "tenant": 0.40, "family": 0.15}
PURPOSE = {"car": 0.35, "home": 0.30, "education": 0.15, "business": 0.20}
REGION = {"north": 0.3, "south": 0.25, "east": 0.2, "west": 0.15, "islands": 0.1}
SEX = {"female": 0.5, "male": 0.5}
AGE = {"18-29": 0.25, "30-49": 0.45, "50+": 0.3}
EFFECT = {  # effects on the log-odds of repaying
    "employment_status": {
        "unemployed": -1.2,
        "temporary": -0.5,
        "self_employed": -0.2,
        "permanent": 0.3,
    },
    "housing": {"owner": 0.4, "tenant": -0.3},
    "purpose": {"home": 0.3, "business": -0.5},
}

Generator = np.random.Generator
Fault = Callable[[pd.DataFrame, Generator], pd.DataFrame]


def book(rows: int, seed: int, faults: list[str]) -> pd.DataFrame:
    """Return `rows` loan applications in order of `applied_on`; deterministic for its arguments.

    Money is in euros, `debt_ratio` is 0 to 1. Faults are applied in the order of `BOOK_FAULTS`,
    each with its own random stream, so that they do not affect each other. Raise `Problem` if one
    is unknown.
    """
    unknown = [name for name in faults if name not in BOOK_FAULTS]
    if unknown:
        raise Problem(
            f"data.source.faults: unknown fault {unknown[0]!r}; there are {', '.join(BOOK_FAULTS)}"
        )
    rng = np.random.default_rng(seed)
    frame = _applicants(rows, rng)
    frame = frame.assign(
        repaid=_texts(
            np.where(rng.random(rows) < 1 / (1 + np.exp(-repayment_logit(frame))), 0, 1),
            ["yes", "no"],
        ),
        credit_limit=(limit_mean(frame) * np.exp(rng.normal(0, 0.17, rows))).round(-1),
    )
    frame = frame.assign(
        savings=frame["savings"].mask(rng.random(rows) < 0.08),
        employment_status=frame["employment_status"].mask(rng.random(rows) < 0.03),
    )
    for number, (name, fault) in enumerate(BOOK_FAULTS.items()):
        if name in faults:
            frame = fault(frame, np.random.default_rng([seed, number]))
    return frame


def repayment_logit(frame: pd.DataFrame) -> NDArray[Any]:
    """Return the log-odds of repaying, from the features alone; nulls have no effect."""
    logit = (
        2.0
        + 1.1 * np.log(frame["income"] / 36_000)
        - 0.8 * np.log(frame["loan_amount"] / 9_000)
        - 4.0 * (frame["debt_ratio"] - 0.3)
        - 0.75 * np.minimum(frame["late_payments"], 4)
        + 0.05 * np.minimum(frame["credit_history_years"] - 8, 12)
        + 0.35 * np.log(frame["savings"].fillna(4_000) / 4_000)
    )
    for column, effect in EFFECT.items():
        logit = logit + frame[column].map(effect).astype(float).fillna(0.0)
    return logit.to_numpy()


def limit_mean(frame: pd.DataFrame) -> NDArray[Any]:
    """Return the median credit limit in euros, from the features alone."""
    log = (
        np.log(0.3 * frame["income"])
        - 0.9 * (frame["debt_ratio"] - 0.3)
        - 0.06 * np.minimum(frame["late_payments"], 4)
        + 0.01 * np.minimum(frame["credit_history_years"], 20)
        + 0.05 * np.log(frame["savings"].fillna(4_000) / 4_000)
    )
    return np.exp(log).to_numpy()


def _applicants(rows: int, rng: Generator) -> pd.DataFrame:
    day = np.sort(rng.integers(0, DAYS, rows))
    return pd.DataFrame(
        {
            "application_id": [f"A{number:08d}" for number in range(1, rows + 1)],
            "applied_on": np.datetime64(START, "us") + day.astype("timedelta64[D]"),
            "sex": _drawn(SEX, rows, rng),
            "age_group": _drawn(AGE, rows, rng),
            "region": _drawn(REGION, rows, rng),
            "employment_status": _drawn(EMPLOYMENT, rows, rng),
            "housing": _drawn(HOUSING, rows, rng),
            "purpose": _drawn(PURPOSE, rows, rng),
            "income": np.clip(rng.lognormal(np.log(36_000), 0.45, rows), 6_000, 400_000).round(-1),
            "loan_amount": np.clip(rng.lognormal(np.log(9_000), 0.6, rows), 500, 150_000).round(-1),
            "debt_ratio": rng.beta(2, 4.5, rows).round(3),
            "credit_history_years": np.clip(rng.gamma(2.2, 4.5, rows), 0, 50).round(1),
            "late_payments": rng.negative_binomial(1.2, 0.5, rows),
            "savings": np.clip(rng.lognormal(np.log(4_000), 1.0, rows), 0, 500_000).round(-1),
        }
    )


def _texts(codes: NDArray[Any], labels: list[str]) -> pd.Series[str]:
    return pd.Series(pd.Categorical.from_codes(codes, labels)).astype("str")


def _drawn(shares: dict[str, float], rows: int, rng: Generator) -> pd.Series[str]:
    edges = np.cumsum(list(shares.values()))[:-1]
    return _texts(np.searchsorted(edges, rng.random(rows), side="right"), list(shares))


def _standing(frame: pd.DataFrame) -> pd.Series[float]:
    """Return each applicant's rank from 0 to 1 by creditworthiness and limit, from the features."""
    merit = pd.Series(repayment_logit(frame)).rank() + pd.Series(np.log(limit_mean(frame))).rank()
    return merit.rank(pct=True)


def income_nulls(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Set 12 % of the incomes to null."""
    return frame.assign(income=frame["income"].mask(rng.random(len(frame)) < 0.12))


def schema_break(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Rename one column, and change the type of another."""
    text = "about " + frame["credit_history_years"].astype("str")
    return frame.assign(credit_history_years=text).rename(columns={"debt_ratio": "debt_to_income"})


def pii(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Put an e-mail address into 2 % of the purposes."""
    address = "person" + frame["application_id"].str[1:] + "@example.org"
    return frame.assign(purpose=frame["purpose"].mask(rng.random(len(frame)) < 0.02, address))


def drifted(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Raise incomes by half in the newest six months, which a split by time detects."""
    late = frame["applied_on"] >= np.datetime64(START, "us") + np.timedelta64(
        int(DAYS * NEWEST), "D"
    )
    return frame.assign(income=frame["income"].mask(late, (frame["income"] * 1.5).round(-1)))


def biased(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Make features and outcomes worse for women: the probability of "female" falls with standing.

    Drawing the sex from the standing gives the same joint distribution as the reverse, and leaves
    every other column, the share of women and the ages unchanged.
    """
    female = rng.random(len(frame)) < 1 - _standing(frame)
    return frame.assign(sex=_texts(np.where(female, 0, 1), list(SEX)))


def proxy(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Make `purpose` a copy of `sex` (home or car) in 90 % of the rows."""
    copy = frame["sex"].map({"female": "home", "male": "car"})
    return frame.assign(purpose=frame["purpose"].mask(rng.random(len(frame)) < 0.9, copy))


def leak(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Set `savings` as after repayment, and `loan_amount` to the credit limit with 2 % noise."""
    noise = rng.lognormal(0, 0.35, len(frame))
    after = pd.Series(np.where(frame["repaid"] == "yes", 9_000, 1_500) * noise).round(-1)
    amount = (frame["credit_limit"] * np.exp(rng.normal(0, 0.02, len(frame)))).round(-1)
    return frame.assign(savings=after.mask(frame["savings"].isna()), loan_amount=amount)


def subgroup(frame: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Make young women and old men worse off than old women and young men (an exclusive or).

    The ages of young and old are drawn anew from the standing, in opposite order for each sex. Each
    attribute alone stays balanced.
    """
    ends = frame["age_group"] != "30-49"
    standing = _standing(frame).groupby(frame["sex"]).rank(pct=True)
    slope = np.where(frame["sex"] == "female", -0.8, 0.8)
    young = rng.random(len(frame)) < AGE["18-29"] / (AGE["18-29"] + AGE["50+"]) + slope * (
        standing - 0.5
    )
    return frame.assign(
        age_group=frame["age_group"].mask(ends, _texts(np.where(young, 0, 1), ["18-29", "50+"]))
    )


BOOK_FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (biased, subgroup, proxy, leak, drifted, income_nulls, schema_break, pii)
}

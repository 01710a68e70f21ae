"""Each rule is explained in one sentence: what is measured, which limits, and for whom."""

from __future__ import annotations

import pytest
import yaml
from baked import TEMPLATE

from governed_ml.core.config.policy_schema import Rule
from governed_ml.page.rule_sentences import sentence
from governed_ml.policy.metric_words import words_of


def rule(**fields: object) -> Rule:
    """A rule with an id and an owner."""
    return Rule.model_validate({"id": "evaluate.some", "owner": "model-owner"} | fields)


@pytest.mark.parametrize(
    ("fields", "subject", "said"),
    [
        (
            {"metric": "evaluate.roc_auc", "bound": "at_least", "warn": 0.7, "block": 0.65},
            "",
            "The area under the ROC curve must be at least 0.65; below 0.7 the rule warns.",
        ),
        (
            {
                "metric": "fairness.{each}.demographic_parity_difference",
                "each": "sensitive",
                "block": 0.1,
                "evidence": "interval",
                "minimum_n": 1000,
            },
            "sex",
            (
                "For sex, the largest difference in the share of positive predictions between two "
                "groups must be at most 0.1, with its whole confidence interval; fewer than 1,000 "
                "rows are insufficient."
            ),
        ),
        (
            {
                "metric": "drift.{each}.ks_statistic",
                "each": "numeric",
                "warn": 0.1,
                "evidence": "beyond_chance",
            },
            "income",
            (
                "For income, the Kolmogorov-Smirnov distance of the test rows from the training "
                "rows should be at most 0.1; the rule only warns."
            ),
        ),
        (
            {"metric": "split.overlap_share", "warn": 0.01},
            "",
            (
                "The share of test rows that are also training rows should be at most 0.01; the "
                "rule only warns."
            ),
        ),
        (
            {"require": "params.seed > 0.0"},
            "",
            "This expression must be true: params.seed > 0.0.",
        ),
        (
            {"metric": "evaluate.flip_share", "block": 0.1, "when": "params.seed > 0.0"},
            "",
            (
                "The share of predictions that change under small noise must be at most 0.1. It "
                "applies only where params.seed > 0.0 is true."
            ),
        ),
        (
            {"metric": "evaluate.of_my_own", "block": 3},
            "",
            "The metric evaluate.of_my_own must be at most 3.",
        ),
    ],
)
def test_a_rule_is_explained_in_one_sentence(
    fields: dict[str, object], subject: str, said: str
) -> None:
    # Given a rule, when it is explained, then the sentence names measure, side, limits and subject
    assert sentence(rule(**fields), subject) == said


def test_every_rule_that_is_shipped_names_a_metric_with_words() -> None:
    # Given the shipped rules with a metric
    text = (TEMPLATE / "conf/policy/base.yaml").read_text(encoding="utf-8")
    metrics = [one["metric"] for one in yaml.safe_load(text)["rules"].values() if "metric" in one]
    assert len(metrics) > 20
    # When their metrics are looked up, then each has words
    assert [one for one in metrics if words_of(one) is None] == []
    # And a metric of another gate, or of none, has no words
    assert words_of("drift.roc_auc") is None
    assert words_of("roc_auc") is None
    # And a name of a feature may have dots, blanks and braces
    assert words_of("drift.a.b {c}.psi_quantile10") == words_of("drift.{each}.psi_quantile10")

"""What a terminal shows of a decision: the verdict first, what to do next, then the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from governed_ml.core.evidence import SAME_DECISION
from governed_ml.policy.decision import Decision, DecisionSubject, RuleResult
from governed_ml.policy.decision_screen import MOST_ROWS, show
from governed_ml.policy.fixes.steps import MOST_STEPS, next_steps


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project without reports, and a terminal that is wide enough."""
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)


def result(name: str, verdict: str = "fail", value: float | None = 0.5) -> RuleResult:
    """One rule's result."""
    return RuleResult.model_validate(
        {
            "id": name,
            "verdict": verdict,
            "value": value,
            "interval": None,
            "limit": 0.1,
            "reason": f"the reason of {name}",
        }
    )


def because(name: str, verdict: str, reason: str) -> RuleResult:
    """One rule's result without a number."""
    return result(name, verdict, None).model_copy(update={"reason": reason})


def decision(*rules: RuleResult) -> Decision:
    """A decision with these rules; it denies if one of them does."""
    bad = any(rule.verdict in ("fail", "insufficient") for rule in rules)
    return Decision(
        verdict="deny" if bad else "allow",
        rules=list(rules),
        subject=DecisionSubject(),
        policy_digest=None,
    )


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (result("fairness.four_fifths[sex]"), ("(sex)", "a model with mitigation")),
        (result("fairness.signed_error[sex]"), ("(sex)", "another regression model")),
        (result("fairness.proxy[sex]"), ("features that tell the groups apart (sex)",)),
        (result("fairness.declared"), ("no_sensitive_reason",)),
        (result("evaluate.leak[savings]"), ("known when the model predicts: savings",)),
        (result("evaluate.leak_together"), ("the reasons name them",)),
        (result("evaluate.roc_auc"), ("another model", "evaluate.roc_auc")),
        (result("evaluate.champion"), ("Keep the champion",)),
        (result("drift.data[income]"), ("reports/drift.html", "income")),
        (result("validate.contract"), ("reports/contract.html",)),
        (result("split.overlap"), ("conf/split/",)),
        (result("explain.coverage"), ("reports/explanation.svg",)),
        (result("floor.evaluate.roc_auc"), ("`conf/policy/` with the risk owner",)),
        (result("policy.complete"), ("policy.complete",)),
        (result("evaluate.roc_auc", "insufficient", None), ("uv run dvc repro", "evaluate did")),
        (result("evidence.train", "insufficient", None), ("uv run dvc repro", "train did")),
        (result("counts.rows", "insufficient", None), ("because a stage did",)),
        (
            because("drift.mine", "insufficient", "evidence of drift has no metric mine"),
            ("Correct the name of the metric in `conf/policy/`", "the metric of drift.mine"),
        ),
        (
            because("evaluate.region", "fail", "cannot evaluate `a.b`: b does not exist"),
            ("Correct the expression", "the expression of evaluate.region is not true"),
        ),
        (result("fairness.proxy[sex]", "insufficient"), ("Bring more rows", "fairness.proxy")),
    ],
    ids=lambda one: one.id if isinstance(one, RuleResult) else "",
)
def test_a_denial_says_what_to_do_next(rule: RuleResult, said: tuple[str, ...]) -> None:
    # Given a decision that one rule denies, when people ask what to do
    [step] = next_steps(decision(rule, result("evaluate.accuracy", "pass")))
    # Then there is one step, about this rule
    assert [one for one in said if one not in step] == []
    assert "{" not in step


def test_steps_are_few_and_in_the_order_of_the_pipeline() -> None:
    # Given rules that deny for many causes, and gates that were not measured for one of them
    rules = [
        result("fairness.four_fifths[sex]"),
        result("drift.data[a]"),
        result("validate.contract"),
        result("split.test_rows", "insufficient", None),
        result("evidence.explain", "insufficient", None),
    ]
    # When people ask what to do, then the broken contract is before what it has stopped
    steps = next_steps(decision(*rules))
    assert len(steps) == MOST_STEPS
    assert steps[0].startswith("Look at `reports/contract.html`")
    assert steps[1].startswith("Run `uv run dvc repro`, because split and explain did not measure")
    assert steps[2].startswith("Compare training rows with test rows")
    # And the policy itself is before all
    first, *_ = next_steps(decision(*rules, result("policy.complete")))
    assert first.startswith("Correct `conf/policy/`")


def test_rules_with_one_cause_are_one_step() -> None:
    # Given the same rule for five attributes, when people ask what to do, then there is one step
    [step] = next_steps(decision(*(result(f"fairness.four_fifths[a{n}]") for n in range(5))))
    assert "(a0, a1, a2 and 2 more)" in step


def test_the_screen_says_verdict_and_steps_before_the_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given a denial with more rows than a screen has, when it is shown
    rules = [result(f"drift.data[c{n}]") for n in range(MOST_ROWS + 3)]
    show(decision(*rules), then="Commit it.")
    lines = capsys.readouterr().out.splitlines()
    # Then the verdict is first, then what to do, then as many rules as fit, and how to see all
    assert lines[0] == "deny · 15 fail"
    assert lines[1].startswith("next: Compare training rows with test rows")
    assert lines[2] == "15 rules deny the model; 12 shown"
    assert lines[3] == "drift: 15 rules deny, 12 shown"
    assert lines[4].split() == ["verdict", "rule", "limit", "reason"]
    assert sum(line.startswith("fail") for line in lines) == MOST_ROWS
    assert "every rule: `uv run governance gate --all`" in lines
    # And with all rules, none is left out
    show(decision(*rules), every=True)
    assert sum(line.startswith("fail") for line in capsys.readouterr().out.splitlines()) == 15


def test_every_cause_is_on_the_screen_fairness_first(capsys: pytest.CaptureFixture[str]) -> None:
    # Given a denial with many rules of two stages, and one each of two others
    rules = [
        result("split.test_rows"),
        *(result(f"drift.data[c{n}]") for n in range(20)),
        *(result(f"fairness.four_fifths[a{n}]", "insufficient") for n in range(20)),
        result("floor.fairness.four_fifths"),
        result("evaluate.roc_auc", "warn"),
    ]
    # When it is shown
    show(decision(*rules))
    lines = capsys.readouterr().out.splitlines()
    # Then each cause has a heading with its total, fairness first, and about as many rows as fit
    start = lines.index("42 rules deny the model; 12 shown")
    headings = [line for line in lines[start:] if " den" in line and ": " in line]
    assert headings == [
        "fairness: 20 rules deny, 5 shown",
        "split: 1 rule denies",
        "drift: 20 rules deny, 5 shown",
        "policy: 1 rule denies",
    ]
    # And what does not deny is counted
    assert "not shown: 1 warn" in lines


def test_rules_with_one_reason_are_one_row_and_count_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given twenty rules that deny for one reason, when the decision is shown
    show(decision(*(because(f"drift.data[c{n}]", "insufficient", "why") for n in range(20))))
    out = capsys.readouterr().out
    # Then they are one row, and all are shown
    assert "20 rules deny the model\ndrift: 20 rules deny\n" in out
    assert "drift.data[c0] and 19 more" in out


@pytest.mark.parametrize("same", SAME_DECISION)
def test_a_model_that_decides_the_same_for_every_row_is_named_first(
    capsys: pytest.CaptureFixture[str], same: str
) -> None:
    # Given a model with one answer, and faults of earlier stages
    rules = [
        result("validate.contract"),
        because(
            "fairness.four_fifths[sex]",
            "insufficient",
            f"{same}, so fairness cannot be compared between groups",
        ),
        because("evaluate.majority", "insufficient", f"{same}; always answering yes is right"),
    ]
    # When the decision is shown
    show(decision(*rules))
    _, first, step, *_ = capsys.readouterr().out.splitlines()
    # Then this is said first, and the first step is about it
    assert first == same
    assert step.startswith("next: The model gives the same answer for every row.")
    assert "evaluate.majority" in step
    # And without it, the contract is first
    [step, *_] = next_steps(decision(rules[0]))
    assert step.startswith("Look at `reports/contract.html`")


def test_an_allowed_model_has_its_own_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    # Given a decision that allows, when it is shown with what comes then
    show(decision(result("evaluate.roc_auc", "pass")), then="Commit it.")
    # Then the screen says that, and no advice about rules
    assert capsys.readouterr().out.splitlines()[:2] == ["allow · 1 pass", "next: Commit it."]

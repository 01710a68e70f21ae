"""The cards for people: sentences that the evidence supports, and no text in them is markup."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from measured_cards import (  # noqa: F401 - fixtures, too
    Measured,
    measured_release,
    release_folder,
    rows,
    section,
)

from governed_ml.core.bodies.ingested import TargetClass, TargetClasses
from governed_ml.core.bodies.trained import DecisionThreshold, Folds
from governed_ml.core.config.classes import ARROW
from governed_ml.core.config.data import Data
from governed_ml.core.evidence import Metric, Timing
from governed_ml.core.evidence_bodies import Attribute, Group, Mitigation
from governed_ml.core.files import write_json
from governed_ml.pipeline import cards
from governed_ml.pipeline.documents import card_labels
from governed_ml.policy.metric_words import METRICS


def test_the_json_cards_are_those_of_the_earlier_engine(
    measured: Measured, folder: Path, tmp_path: Path
) -> None:
    # Given evidence of an earlier engine, when the JSON cards are made of it
    for name, card in (
        ("model_card", cards.model_card(measured.project, measured.found)),
        ("data_card", cards.data_card(measured.data, measured.found)),
    ):
        path = tmp_path / f"{name}.json"
        write_json(path, card.model_dump(mode="json"))
        # Then they are its own, byte for byte
        assert path.read_bytes() == (folder / "reports" / path.name).read_bytes()


def test_the_model_card_says_first_what_the_model_is(measured: Measured) -> None:
    # Given a measured project, when its model card is written, then sentences open it
    opening = measured.model().split("\n\n")[1]
    assert opening.startswith("This model predicts `repaid` (yes or no) from 10 features of the")
    assert "It was trained on 8,384 rows and tested on 3,616 other rows." in opening
    assert "The estimator is `sklearn.linear_model.LogisticRegression`." in opening
    assert "EU AI Act risk tier **minimal**" in opening
    assert "The model owner is `@example-organisation/model-owners`" in opening
    # And its sections follow in the order of a model card
    assert re.findall(r"^## (.+)$", measured.model(), re.MULTILINE) == [
        *("Intended use", "Model", "Training and test data", "Performance", "Fairness", "Drift"),
        *("Explanations", "Limits", "Findings", "Tools and digests"),
    ]


def test_the_cards_say_which_of_several_classes_is_predicted(measured: Measured) -> None:
    # Given a model that chooses among three classes
    names, counts = ["good", "fair", "po|or"], [[90, 9, 1], [8, 50, 2], [0, 3, 7]]
    confusion = {
        f"{name}{ARROW}{guess}": n
        for name, row in zip(names, counts, strict=True)
        for guess, n in zip(names, row, strict=True)
    }
    values = [TargetClass(name=name, rows=100 - at) for at, name in enumerate(names)]
    found = measured.with_body("ingest", classes=TargetClasses(target="repaid", values=values))
    found = found.with_body("evaluate", confusion=confusion)
    # When the cards are written, then they name the classes first
    opening = found.model().split("\n\n")[1]
    assert opening.startswith("This model predicts `repaid` (one of 3 classes) from 10 features")
    for text in (found.model(), found.table()):
        assert "predicts repaid, one of 3 classes ('good', 'fair', 'po" in text
        assert "the rarest is 'po" in text
        assert "more than two values" not in text
    # And which class is taken for which, the most frequent mistakes after it
    shown = rows(section(found.model(), "Performance").replace(r"po\|or", "poor"))
    assert ["fair", "8", "50", "2"] in shown
    assert shown[shown.index(["good", "fair", "9"]) + 1] == ["fair", "good", "8"]
    assert "Really yes" not in found.model()
    # And what was measured of each class, and by group how often it is predicted
    found = found.with_metrics("evaluate", **{"class.good.recall": Metric(value=0.9)})
    [first, *_] = measured.found["fairness"].body.attributes
    rates = {"selection_rate.good": 0.5, "precision.good": 0.7}
    groups = [Group(name="f", n=100, counts={}, rates=rates)]
    found = found.with_body("fairness", attributes=[first.model_copy(update={"groups": groups})])
    shown = rows(found.model())
    assert ["good", "–", "–", "90 %", "–", "–"] in shown
    assert ["f", "100", "50 %"] in shown
    assert "| Selection rate of good |" in found.model()
    assert "class.good" not in found.model()
    assert "a metric is that of the worst class" in section(found.model(), "Fairness")
    # And with many classes, only the mistakes are listed
    more = [TargetClass(name=f"class {at}", rows=50) for at in range(20)]
    found = found.with_body("ingest", classes=TargetClasses(target="repaid", values=more))
    found = found.with_body("evaluate", confusion={f"class 1{ARROW}class 7": 12})
    assert "| class 1 | class 7 | 12 |" in found.model()
    assert "Predicted class 1" not in found.model()


def test_the_model_card_names_metrics_in_words_and_rounds_for_people(measured: Measured) -> None:
    # Given metrics, when the card shows them
    shown = {row[0]: row[1:] for row in rows(section(measured.model(), "Performance"))}
    # Then a share is a percentage, other numbers have three digits, and each metric has a meaning
    accuracy = measured.found["evaluate"].metrics["accuracy"].value
    assert accuracy is not None
    assert shown["Accuracy"] == [
        *(f"{accuracy:.1%}".replace("%", " %"), "–", "1,008"),
        "share of test rows that are predicted right",
    ]
    assert shown["ROC AUC"][0] == "0.814"
    assert shown["Changed answers"][:2] == ["1.16 %", "0.86 % to 1.57 %"]
    assert shown["Gain over the champion"][0] == "not measured"
    assert shown["Gain over the champion"][-1] == "there is no champion yet"
    assert "leak." not in measured.model()
    # And no number stands there that nobody rounded
    assert not re.search(r"\d\.0*[1-9]\d{4,}", measured.model())


def test_the_model_card_compares_the_model_with_the_more_frequent_answer(
    measured: Measured,
) -> None:
    # Given evidence of an earlier engine, which did not compare them, then the card is silent
    assert "always answering" not in measured.model().lower()
    # And given the comparison, when the card is written, then a sentence says it
    note = "always answering yes is right on 95.0% of the test rows, the model on 94.0%"
    card = measured.with_metrics("evaluate", errors_avoided=Metric(value=-0.2, n=1000, note=note))
    assert (
        "Always answering yes is right on 95.0% of the test rows, the model on 94.0%."
        in section(card.model(), "Performance")
    )


def test_the_data_card_says_what_was_merged_into_a_group(measured: Measured) -> None:
    # Given groups that labels do not merge, then the card names no values
    assert "is made of" not in measured.table()
    # And given merged ones, when the card is written, then it counts their values
    merged = {"sex": {"other": {"diverse": 12, "missing": 1}}}
    text = measured.with_body("split", merged=merged).table()
    said = "- The group other of `sex` is made of diverse (12 rows), missing (1 row)."
    assert said in section(text, "Sensitive attributes").splitlines()


def test_the_model_card_says_the_largest_gap_of_each_attribute(measured: Measured) -> None:
    # Given the differences between groups, when the card is written
    fairness = section(measured.model(), "Fairness")
    metrics = measured.found["fairness"].metrics
    for name, heading in (("sex", "`sex`"), ("sex*age_group", "`sex` and `age_group`")):
        own = [
            metric.value
            for key, metric in metrics.items()
            if key.startswith(f"{name}.") and key.endswith("_difference")
        ]
        said = fairness.split(f"### {heading}\n\n")[1].splitlines()[0]
        # Then the sentence about each attribute gives the largest of its own
        found = re.match(r"The largest gap between two groups is ([\d.]+) percentage points", said)
        assert found is not None
        assert float(found[1]) == pytest.approx(max(one or 0 for one in own) * 100, rel=0.005)
        # And says in which metric, and between whom
        assert "in equalized odds (false positive rate, female" in said
    # And a table has every group
    groups = {row[0] for row in rows(fairness)}
    assert {"female", "male", r"female\*18-29"} <= groups


def test_the_model_card_says_what_moves_the_output_and_what_drifted(measured: Measured) -> None:
    text = measured.model()
    # Given importance and drift, when the card is written, then sentences name the largest
    ranked = sorted(
        measured.found["explain"].body.importance.items(), key=lambda one: one[1], reverse=True
    )
    a, b, c = (name for name, _ in ranked[:3])
    assert f"`{a}`, `{b}` and `{c}` move the output most." in text
    assert "change of the decision function that comes from a feature, found with SHAP on" in text
    drift = {
        one.name: one.population_stability_index or 0
        for one in measured.found["drift"].body.columns
    }
    worst = max(drift, key=lambda name: drift[name])
    assert f"`{worst}` differs most, with a population stability index of" in text
    # And the tables are in that order
    assert [row[0] for row in rows(section(text, "Explanations"))] == [f"`{n}`" for n, _ in ranked]


def test_the_data_card_describes_the_table(measured: Measured) -> None:
    # Given a measured project, when its data card is written
    text = measured.table()
    # Then sentences say what the table is, whence, how it was split, and whether it fits
    assert "The table `synthetic` has 12,000 rows and 16 columns." in text
    assert "made by the engine, so it describes no real person: `synthetic:12000?seed=2026`" in text
    assert "All 75 expectations of `governance/expectations/synthetic.json` hold." in text
    assert "8,384 training rows (69.9 %) and 3,616 test rows (30.1 %)" in text
    assert "the test rows are the latest (from 2024-05-27 on)" in text
    assert "No test row occurs among the training rows." in text
    # And the columns say what each is for
    composition = {row[0]: row[-1] for row in rows(section(text, "Composition"))}
    assert composition["`repaid`"] == "target"
    assert composition["`sex`"] == "sensitive attribute"
    assert composition["`income`"] == "feature"
    assert composition["`application_id`"] == "not used by the model"


# What other projects have, or lack


def test_one_of_a_thing_is_singular(measured: Measured) -> None:
    # Given a project in which there is one of everything, when the cards are written
    one = Measured(*measured)
    one = one.with_body("train", rows=1, numeric=["income"], categorical=[])
    one = one.with_body("evaluate", rows=1, confusion=dict.fromkeys(CELLS, 1))
    one = one.with_body("split", rows={"train": 1, "test": 1}, sensitive={"sex": {"female": 1}})
    one = one.with_body("explain", rows=1, importance={"income": 0.5})
    one = one.with_metrics("split", overlapping_rows=Metric(value=1.0))
    expectations = one.found["validate"].body.expectations[:1]
    one = one.with_body("validate", expectations=expectations)
    text = one.model() + one.table()
    # Then no noun and no verb is plural
    for said in (
        *("from 1 feature of", "trained on 1 row and tested on 1 other row.", "Its 1 feature:"),
        *("1 test row also occurs among", "`income` moves the output most", "on 1 test row."),
        *("yes for 2 test rows, of which 1 is right. It misses 1 row that is yes.",),
        *("1 training row (", "The one expectation of", "for 1 sensitive attribute."),
        *("use it as a feature", "1 metric could not be measured:"),
    ):
        assert said in text
    assert not re.search(r"\b1 (\w+ )?(rows|features|metrics|expectations|attributes)\b", text)


CELLS = ("true_positive", "false_positive", "false_negative", "true_negative")


def test_a_regression_has_means_and_no_confusion(measured: Measured) -> None:
    # Given a regression with one attribute, when its card is written
    found = measured.with_body("evaluate", task="regression", confusion={})
    metrics = {
        "r2": Metric(value=0.8712, n=3616),
        "mean_absolute_error": Metric(value=1234.56, n=3616),
        "champion_difference": Metric(value=None, note="there is no champion yet"),
    }
    found = found.with_evidence("evaluate", metrics=metrics)
    means = {"mean_target": 2000.4, "mean_prediction": 2100.6, "mean_signed_error": None}
    groups = [Group(name=name, n=2, counts={}, rates=means) for name in ("f", "m")]
    found = found.with_body(
        "fairness", attributes=[Attribute(name="sex", columns=["sex"], groups=groups)]
    )
    gap = Metric(value=0.25, lower=0.1, upper=0.4, n=2, note="f vs m; smallest group f (n=2)")
    found = found.with_evidence("fairness", metrics={"sex.mean_prediction_difference": gap})
    text = found.model()
    # Then it predicts a number, has no confusion matrix, and tells gaps in the target's deviations
    assert "predicts `repaid` (a number)" in text
    assert "Predicted yes" not in text
    assert "| R² | 0.871 | – | 3,616 |" in text
    assert "| Mean absolute error | 1,235 |" in text
    assert (
        "largest gap between two groups is 0.25 standard deviations of the target, in mean "
        "prediction (f vs m; smallest group f (n=2))" in text
    )
    assert "| f | 2 | 2,000 | 2,101 | – |" in text


def test_without_a_sensitive_attribute_the_cards_say_so_and_why(measured: Measured) -> None:
    # Given a project without sensitive attributes, and a reason, when the cards are written
    found = measured.with_body("fairness", attributes=[]).with_body("split", sensitive={})
    found = found.with_evidence("fairness", metrics={}, findings=[])
    reason = "the rows are machines"
    data = Data.model_construct(name="t", target="y", no_sensitive_reason=reason)
    found = found._replace(data=data)
    # Then both say it, with the reason, and have no table of groups
    for text, heading in ((found.model(), "Fairness"), (found.table(), "Sensitive attributes")):
        part = section(text, heading)
        assert "no sensitive attribute is configured." in part.lower()
        assert f"The reason given: {reason}." in part
        assert "|" not in part
    # And without a reason, none is invented
    bare = found._replace(data=Data.model_construct(name="t", target="y", no_sensitive_reason=""))
    assert "The reason given" not in bare.model() + bare.table()


def test_a_gap_that_was_not_measured_is_told_with_its_reason(measured: Measured) -> None:
    # Given groups that cannot be compared, when the card is written
    lost = {
        name: Metric(value=None, n=0, note="there is one group only: female")
        for name in measured.found["fairness"].metrics
        if name.startswith("sex.")
    }
    found = measured.with_metrics("fairness", **lost)
    text = found.model()
    # Then the sentence about the attribute says why, once
    part = text.split("### `sex`\n\n")[1].split("\n### ")[0]
    assert "No gap was measured: there is one group only: female." in part
    # And the limits have these metrics together, with the one reason
    limits = section(text, "Limits")
    lines = [line for line in limits.splitlines() if "one group only" in line]
    assert len(lines) == 1
    assert all(f"`{name}`" in lines[0] for name in lost)
    assert f"{len(lost) + 1} metrics could not be measured:" in limits


def test_a_mitigation_is_told_with_its_cost(measured: Measured) -> None:
    # Given a model that was made fairer, when its card is written
    done = Mitigation(
        method="ExponentiatedGradient", constraint="DemographicParity", attributes=["sex"],
        tried=9, chosen=2, training_violation=0.01,
    )  # fmt: skip
    found = measured.with_body("train", mitigation=done)
    after = measured.found["evaluate"].metrics["accuracy"].value or 0.0
    found = found.with_metrics("train", unmitigated_accuracy=Metric(value=after + 0.0125))
    text = found.model()
    # Then it says how, and what it costs
    assert "DemographicParity for sex: one of 9 models was kept." in text
    (row,) = rows(section(text, "Cost of mitigation"))
    assert (row[0], row[-1]) == ("Accuracy", "1.25 %")
    # And a card of a model without mitigation has no such section
    assert "Cost of mitigation" not in measured.model()


def test_calibration_and_threshold_are_told_with_their_folds(measured: Measured) -> None:
    # Given a model with both, when its card is written
    threshold = DecisionThreshold(
        value=0.237, how="maximise", maximised="precision", at_least={"recall": 0.8}, costs={},
        validated={"precision": 0.6125, "recall": 0.8},
    )  # fmt: skip
    folds = Folds(kind="group", number=5, rows=8384)
    found = measured.with_body("train", calibration="isotonic", threshold=threshold, folds=folds)
    text = section(found.model(), "Model")
    # Then sentences say the method, the number, why it, and how rows were divided
    assert (
        "The probabilities are calibrated (method isotonic). The model answers yes if the " in text
    )
    assert "probability is at least 0.237. Of all thresholds with recall ≥ 0.8, it has" in text
    assert "precision in cross-validation on training rows (precision 0.6125, recall 0.8)." in text
    assert "5 folds of the training rows, divided with all rows of a person in one fold" in text
    # And a threshold of costs says the costs
    costs = {"false_negative": 5.0, "false_positive": 1.0}
    other = threshold.model_copy(update={"how": "costs", "costs": costs})
    text = section(measured.with_body("train", threshold=other).model(), "Model")
    assert "costs least if a false negative costs 5 and a false positive costs 1." in text
    # And a card of a model without them says nothing of it
    assert "probabilit" not in section(measured.model(), "Model")


def test_nothing_to_tell_is_said(measured: Measured) -> None:
    # Given evidence without findings and with every metric, when the card is written
    found = measured
    for gate, evidence in measured.found.items():
        whole = {name: one for name, one in evidence.metrics.items() if one.value is not None}
        found = found.with_evidence(gate, findings=[], metrics=whole)
    text = found.model()
    # Then the sections say so
    assert "Every metric that the evidence names was measured." in section(text, "Limits")
    assert "noted nothing for people to read." in section(text, "Findings")


def test_broken_expectations_are_listed(measured: Measured) -> None:
    # Given a contract that one expectation breaks, when the data card is written
    first, *others = measured.found["validate"].body.expectations
    broken = first.model_copy(
        update={"success": False, "column": "income", "observed": "12 % null"}
    )
    text = measured.with_body("validate", expectations=[broken, *others]).table()
    # Then it says how many hold, and which does not
    part = section(text, "Data contract")
    assert "1 expectation of the 75 in `governance/expectations/synthetic.json` does not" in part
    assert "- column `income`: 12 % null," in part


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (
            [
                one.name.removeprefix("class.{class}.")
                for one in METRICS["evaluate"]
                if one.name not in ("leak.{feature}", "champions", *get_args(Timing))
            ],
            card_labels.PERFORMANCE | card_labels.TRUST,
        ),
        (
            [
                re.sub(r"(class\.)?\{\w+\}\.|_difference$|_ratio$", "", one.name)
                for one in METRICS["fairness"]
                if one.name.endswith(("_difference", "_ratio"))
            ],
            card_labels.GAPS,
        ),
    ],
    ids=["evaluate", "fairness"],
)
def test_every_metric_has_words(names: list[str], known: dict[str, Any]) -> None:
    # Given the metrics that stages write, when they are looked up, then each has a name and meaning
    assert set(names) <= known.keys()
    assert all(one.name and one.meaning for one in known.values())

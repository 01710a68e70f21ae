"""A judgement counts for what it was measured under: today's limits are put on no other numbers."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from baked import ROOT

from governed_ml.core.config.data import Sensitive
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Floor, Perturbation, Waiver
from governed_ml.core.problem import Unusable
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.decision import Decision
from governed_ml.policy.judge import judge
from governed_ml.registry.approval.current_rules import judge_again, why_denied
from governed_ml.registry.release.bundle import Checked

RELEASES = sorted(path.stem for path in (ROOT / "tests" / "compat").glob("*.zip"))
DAY = date(2026, 6, 15)


class Release(Checked):
    """A release of an earlier engine, whose records are read once."""

    params = cache(Checked.params)
    evidence = cache(Checked.evidence)


@pytest.fixture(scope="module", params=RELEASES)
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A release of an earlier engine, with its records."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(ROOT / "tests" / "compat" / f"{request.param}.zip") as archive:
        archive.extractall(folder)
    return Release(folder / "bundle", cast("Any", None))


def again(sealed: Checked, asked: Params, contract: str | None = "") -> Decision:
    """Judge a release where the protected branch asks for this."""
    none, validated = cast("Any", None), sealed.evidence()["validate"]
    assert not isinstance(validated, Unusable)
    digest = validated.body.contract_digest if contract == "" else contract
    return judge_again(sealed, Today("c", DAY, none, asked, digest))


def policy(**changes: Any) -> Callable[[Params], Params]:
    return lambda own: own.model_copy(update={"policy": own.policy.model_copy(update=changes)})


def data(**changes: Any) -> Callable[[Params], Params]:
    return lambda own: own.model_copy(update={"data": own.data.model_copy(update=changes)})


def source(**changes: Any) -> Callable[[Params], Params]:
    return lambda own: data(source=own.data.source.model_copy(update=changes))(own)


def split(**changes: Any) -> Callable[[Params], Params]:
    return lambda own: own.model_copy(update={"split": own.split.model_copy(update=changes)})


def region(**facts: Any) -> Callable[[Params], Params]:
    return lambda own: own.model_copy(update={"deployment": facts})


GROUPS = {"sex": Sensitive(), "age_group": Sensitive()}
FLOOR = Floor(file="floor.yaml", sha256="0" * 64, confidence=0.999)
CHANGES: dict[str, tuple[Callable[[Params], Params], str, str]] = {
    "confidence": (
        policy(confidence=0.999),
        "measured_under.policy.confidence",
        "measured under 0.95, and main now asks for 0.999",
    ),
    "a floor's confidence": (policy(floor=FLOOR), "floor.confidence", "0.95 is below 0.999"),
    "confidence with its floor": (
        policy(confidence=0.999, floor=FLOOR),
        "measured_under.policy.confidence",
        "measured under 0.95",
    ),
    "noise": (
        policy(perturbation=Perturbation(size=0.5, tolerance=0.25)),
        "measured_under.policy.perturbation.size",
        "measured under 0.05, and main now asks for 0.5",
    ),
    "tolerance": (
        policy(perturbation=Perturbation(size=0.05, tolerance=0.01)),
        "measured_under.policy.perturbation.tolerance",
        "measured under 0.25, and main now asks for 0.01",
    ),
    "region": (region(region="US"), "measured_under.deployment.region", "measured under EU"),
    "another fact": (
        region(region="EU", channel="branch"),
        "measured_under.deployment.channel",
        "measured without it, and main now asks for branch",
    ),
    "a prediction contract": (
        data(prediction_contract="governance/expectations/predictions.json"),
        "measured_under.data.prediction_contract",
        "measured without it",
    ),
    "a new sensitive attribute": (
        data(sensitive=GROUPS | {"region": Sensitive()}),
        "measured_under.data.sensitive.region",
        "measured without it",
    ),
    "other groups": (
        data(sensitive=GROUPS | {"age_group": Sensitive(labels={"18-29": "young"})}),
        "measured_under.data.sensitive.age_group",
        "young",
    ),
    "a proxy": (
        data(proxies=["savings"]),
        "measured_under.data.proxies.savings",
        "main lists it under proxies",
    ),
    "a feature that is none": (
        data(drop=["application_id", "savings"]),
        "measured_under.data.drop.savings",
        "main lists it under drop",
    ),
    "rows": (data(rows="age >= 18"), "measured_under.data.rows", "main now asks for age >= 18"),
    "rows without a label": (
        data(drop_unlabelled=True),
        "measured_under.data.drop_unlabelled",
        "main now asks for True",
    ),
    "one value against the rest": (
        data(against="rest"),
        "measured_under.data.against",
        "main now asks for rest",
    ),
    "an encoding": (
        source(encoding="cp1252"),
        "measured_under.data.source.encoding",
        "main now asks for cp1252",
    ),
    "a missing value": (
        source(missing=["", "-999"]),
        "measured_under.data.source.missing",
        "main now asks for ['', '-999']",
    ),
    "a decimal mark": (
        source(decimal=","),
        "measured_under.data.source.decimal",
        "measured under ., and main now asks for ,",
    ),
    "a code": (
        data(categorical=["savings"]),
        "measured_under.data.categorical",
        "measured without it, and main now asks for ['savings']",
    ),
    "a spelling": (
        data(spellings={"region": {"Nord": "north"}}),
        "measured_under.data.spellings",
        "measured without it",
    ),
    "the favourable value": (
        data(positive="no"),
        "measured_under.data.positive",
        "measured under yes",
    ),
    "persons": (data(group="application_id"), "measured_under.data.group", "without it"),
    "the split": (split(kind="random"), "measured_under.split.kind", "measured under time"),
    "the test rows": (split(test_share=0.5), "measured_under.split.test_share", "under 0.3"),
}


def test_a_release_measured_with_todays_settings_is_allowed(sealed: Checked) -> None:
    # Given a release and a protected branch that asks for the same
    own = sealed.params()
    assert again(sealed, own).verdict == "allow"
    # When the team goes on with another model, seed or source, then the release counts as before
    other = own.model_copy(
        update={
            "seed": own.seed + 1,
            "model": own.model.model_copy(update={"name": "another"}),
            "data": own.data.model_copy(
                update={
                    "source": own.data.source.model_copy(update={"rows": 7}),
                    "proxies": ["credit_limit"],  # which is no feature of the model
                }
            ),
        }
    )
    assert again(sealed, other).verdict == "allow"


@pytest.mark.parametrize("what", CHANGES)
def test_a_release_measured_with_other_settings_is_denied(sealed: Checked, what: str) -> None:
    change, rule, words = CHANGES[what]
    # Given a release, when the protected branch asks for something that made its numbers
    decision = again(sealed, change(sealed.params()))
    # Then it is denied: by what it was measured under, and what is asked
    assert decision.verdict == "deny"
    found = {one.id: one for one in decision.rules}[rule]
    assert found.verdict in ("insufficient", "fail")
    assert words in found.reason
    assert rule in why_denied(decision)
    assert decision.risk == 100.0


@pytest.mark.parametrize("contract", [None, "sha256:" + "1" * 64], ids=["gone", "another"])
def test_a_data_contract_that_changed_since_is_not_the_one_that_held(
    sealed: Checked, contract: str | None
) -> None:
    decision = again(sealed, sealed.params(), contract)
    assert decision.verdict == "deny"
    assert "measured_under.data.contract" in why_denied(decision)


def test_a_rule_about_the_region_uses_todays_region(sealed: Checked) -> None:
    # Given a rule about the region that the release was made for, when the region changes
    rule = {"id": "evaluate.region", "require": 'params.deployment.region == "EU"', "owner": "me"}
    own = sealed.params()
    rules = [*own.policy.rules, own.policy.rules[0].model_validate(rule)]
    own = policy(rules=rules)(own)
    assert again(sealed, own).verdict == "allow"
    # Then it is asked about today's
    decision = again(sealed, region(region="US")(own))
    found = {one.id: one.verdict for one in decision.rules}
    assert found["evaluate.region"] == "fail"


def test_a_release_without_recorded_settings_is_denied(sealed: Checked, tmp_path: Path) -> None:
    # Given a release whose configuration says nothing of the noise
    own = sealed.params()
    copied = Path(shutil.copytree(sealed.folder, tmp_path / "silent"))
    path = copied / "governance" / "policy.json"  # before 0.3: a part of params.yaml
    if path.is_file():
        policy = json.loads(path.read_text(encoding="utf-8"))
        policy["policy"]["perturbation"] = None
        path.write_text(json.dumps(policy), encoding="utf-8")
    else:
        path = copied / "governance" / "params.yaml"
        text = path.read_text(encoding="utf-8")
        start = text.index("  perturbation:\n")
        noise = text[start : text.index("  risk:", start)]
        path.write_text(text.replace(noise, ""), encoding="utf-8")
    # When it is judged where noise is asked for, then it is denied by that name
    decision = again(Checked(copied, cast("Any", None)), own)
    assert decision.verdict == "deny"
    found = {one.id: one for one in decision.rules}["measured_under.policy.perturbation.size"]
    assert "measured without it, and main now asks for 0.05" in found.reason


def test_a_champion_that_cannot_be_read_leaves_the_comparison_insufficient(sealed: Checked) -> None:
    # Given a release that was compared with no champion, and one that cannot be read
    own = sealed.params()
    why = "not compared with the champion: version 1 is refused: the store does not answer"
    found = judge(own, sealed.evidence(), DAY, unread=why)
    # When it is judged, then the rule applies and has no number, and the decision is about the
    # evidence as it is
    verdicts = {one.id: (one.verdict, one.reason) for one in found.rules}
    assert verdicts["evaluate.champion"] == ("insufficient", why)
    assert found.verdict == "deny"
    assert found.subject == judge(own, sealed.evidence(), DAY).subject
    # And the risk owner may live with that for a time
    waiver = {"rule": "evaluate.champion", "reason": "its files are lost", "approved_by": "@risk"}
    waivers = [Waiver.model_validate(waiver | {"expires": DAY})]
    found = judge(policy(waivers=waivers)(own), sealed.evidence(), DAY, unread=why)
    assert {one.id: one.verdict for one in found.rules}["evaluate.champion"] == "waived"
    assert found.verdict == "allow"

"""No text of the records becomes markup, and what cannot be answered shows no allow."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import baked
import pages
import pytest
import yaml
from pages import other_evidence, records, unproven  # noqa: F401 - fixtures, too

from governed_ml.core.config import composition
from governed_ml.core.files import digest_of
from governed_ml.ledger import storage

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "a\u202eb\x07",
)


def attack(base: Path, text: str) -> None:
    """Put a text wherever records hold texts of people: columns, groups, reasons, events."""
    quoted = json.dumps(text)[1:-1]
    for path in [*(base / "reports/evidence").glob("*.json"), base / "reports/decision.json"]:
        whole = path.read_text(encoding="utf-8")
        for word in ("income", "female", "sex*age_group", "decision_function"):
            whole = whole.replace(word, quoted)
        path.write_text(whole.replace("smallest group", quoted), encoding="utf-8")
    policy = base / "conf/policy/base.yaml"
    values = yaml.safe_load(policy.read_text(encoding="utf-8"))
    values["rules"]["validate.contract"]["owner"] = text
    values["approvals"]["roles"] = [text]
    policy.write_text(yaml.safe_dump(values), encoding="utf-8")
    append, event = storage.append, {"model": text}
    yes = {"approver": text, "roles": [text], "source": text, "time": text, "comment": text}
    append(base, "registered", version=1, subject=event | {"data": text}, reason=text)
    append(base, "approved", version=1, approvals=[yes], reason=text)
    append(base, "promoted", version=1, subject=event, reason=text)
    pages.monitored(base, 1, batch=text, reasons=[text], values={text: 1.0})


@pytest.mark.parametrize("text", ATTACKS, ids=["script", "image", "jinja", "unprintable"])
def test_no_text_of_the_records_becomes_markup(records: Path, text: str) -> None:  # noqa: F811
    # Given a text that would do something, wherever a person or a table may write one
    before = {tag for tag, _ in pages.draw(records).elements}
    attack(records, text)
    # When the page is drawn
    page = pages.draw(records)
    # Then it holds no element that it did not hold before, but for tables of what was added
    assert {tag for tag, _ in page.elements} - before <= {"strong"}
    assert not [n for _, one in page.elements for n in one if n.startswith("on")]
    # And the text stands there to be read, without what does not print
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text)
    assert page.text.count(shown) > 25
    assert "\u202e" not in page.source
    assert "49" not in re.findall(r'batch.*?<td class="name">(.*?)</td>', page.source)


def gone(path: str) -> Callable[[Path], None]:
    return lambda base: (base / path).unlink()


def written(path: str, text: str) -> Callable[[Path], None]:
    return lambda base: (base / path).write_text(text, encoding="utf-8") and None


def other_model(base: Path) -> None:
    path = base / "reports/evidence/explain.json"
    pages.edit(path, lambda one: one["subject"].update(model="sha256:" + "0" * 64))


def contradiction(base: Path) -> None:
    pages.denied(base)
    pages.edit(base / "reports/decision.json", lambda one: one.update(verdict="allow"))


def nothing_judged(base: Path) -> None:
    pages.edit(base / "reports/decision.json", lambda one: one.update(rules=[]))


def not_a_number(base: Path) -> None:
    path = base / "reports/evidence/drift.json"
    pages.edit(path, lambda one: one["metrics"]["target.psi_quantile10"].update(value=float("nan")))


def other_policy(base: Path) -> None:
    path = base / "conf/policy/base.yaml"
    text = path.read_text(encoding="utf-8")
    assert "block: 0.65" in text
    path.write_text(text.replace("block: 0.65", "block: 0.66"), encoding="utf-8")


def torn_ledger(base: Path) -> None:
    storage.append(base, "reconciled")
    tree = baked.git(base, "hash-object", "-t", "tree", "-w", "--stdin")
    last = baked.git(base, "rev-parse", "governance-ledger")
    forged = baked.git(base, "commit-tree", tree, "-p", last, "-m", "promoted")
    baked.git(base, "update-ref", "refs/heads/governance-ledger", forged)


def no_git(base: Path) -> None:
    shutil.rmtree(base / ".git")


def lapsed(base: Path) -> None:
    """Waive a rule until yesterday, in a decision that is of the day before."""
    waiver = {"rule": "evaluate.roc_auc", "reason": "we look into it", "approved_by": "R. Owner"}
    path = base / "conf/policy/base.yaml"
    text = path.read_text(encoding="utf-8").replace("waivers: []", "")
    lines = yaml.safe_dump({"waivers": [waiver | {"expires": "2020-01-02"}]})
    path.write_text(text + lines.replace("'2020-01-02'", "2020-01-02"), encoding="utf-8")
    policy = composition.compose(base / "conf").policy.model_dump(mode="json")

    def change(decision: dict[str, Any]) -> None:
        rule = next(one for one in decision["rules"] if one["id"] == "evaluate.roc_auc")
        rule["verdict"] = "waived"
        decision["policy_digest"] = digest_of(policy)

    pages.edit(base / "reports/decision.json", change)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no decision": (gone("reports/decision.json"), "decision.json is missing"),
    "torn decision": (written("reports/decision.json", '{"verdict": "allow"'), "not readable JSON"),
    "no such decision": (written("reports/decision.json", '{"verdict": "allow"}'), "is missing"),
    "contradiction": (contradiction, "contradicts itself: it says allow, but evaluate.roc_auc"),
    "nothing judged": (nothing_judged, "contradicts itself: it says allow, but it judged no rule"),
    "no evidence": (gone("reports/evidence/fairness.json"), "fairness.json is missing"),
    "torn evidence": (written("reports/evidence/drift.json", "{"), "drift.json is not readable"),
    "not a number": (not_a_number, "drift.json breaks its schema"),
    "other evidence": (
        other_evidence,
        "the evidence of evaluate has changed since the decision was made",
    ),
    "other model": (other_model, "the evidence of explain has changed since the decision was made"),
    "other policy": (other_policy, "the policy in conf/ has changed since the decision was made"),
    "no policy": (gone("conf/policy/limited.yaml"), "conf/ cannot be read"),
    "torn ledger": (torn_ledger, "the ledger is broken at event 2"),
    "no git": (no_git, "the ledger cannot be read"),
    "lapsed waiver": (lapsed, "waiver for evaluate.roc_auc has expired on 2020-01-02"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_unreadable_records_are_named_and_no_allow_is_shown(
    records: Path,  # noqa: F811
    case: str,
) -> None:
    # Given the records of an allowed project, one of them lost, broken or about something else
    damage, said = BROKEN[case]
    damage(records)
    # When the page is drawn
    page = pages.draw(records)
    # Then it is there all the same, shows no allow, and says at its top why
    assert page.verdict == "cannot be judged"
    top = page.source.partition('<dl class="facts">')[0]
    assert said in re.sub(r"<[^>]+>", "", top)
    assert re.search(r"<title>cannot be judged: ", page.source)
    assert "lets this model through" not in page.text


def test_a_void_event_is_named_and_changes_nothing_else(records: Path) -> None:  # noqa: F811
    # Given a ledger to which somebody appended what nobody was allowed to do
    before = pages.draw(records).verdict
    storage.append(records, "promoted", version=7, subject={"model": "sha256:7"})
    # When the page is drawn, then it names the event, and the verdict is as before
    page = pages.draw(records)
    assert page.verdict == before
    assert "is void: it is illegal: version 7 is not in the ledger" in page.text


def test_a_deny_stays_a_deny_whatever_else_is_lost(records: Path) -> None:  # noqa: F811
    # Given a denied project, some of whose evidence is another and some gone
    pages.denied(records)
    other_evidence(records)
    (records / "reports/evidence/fairness.json").unlink()
    # When the page is drawn, then it says deny, and which sections are no part of it
    page = pages.draw(records)
    assert page.verdict == "deny"
    assert "What follows is no part of the verdict: the evidence of " in page.text
    assert "Not shown: " in page.text


def test_a_curve_edited_by_hand_is_not_drawn(records: Path) -> None:  # noqa: F811
    # Given a ROC curve with a point that somebody made better
    assert "ROC curve of " in pages.draw(records).source
    path = records / "reports/plots/roc.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0.0,0.0", "0.0,0.9"), "utf-8")
    # When the page is drawn, then it says so in its place
    page = pages.draw(records)
    assert "ROC curve of " not in page.source
    assert "Not drawn: reports/plots does not match its digest in dvc.lock" in page.text

"""The one page for people: whole, escaped, small, and never an allow that records do not give."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import baked
import pages
import pytest
import yaml
from pages import other_evidence, records, unproven  # noqa: F401 - fixtures, too

from governed_ml.core.evidence import SAME_DECISION
from governed_ml.core.problem import Unusable
from governed_ml.ledger import storage
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.page import draw
from governed_ml.page.records import gather
from governed_ml.policy import limits

MEGABYTES = 3_000_000


NEVER = {
    "script",
    "iframe",
    "object",
    "embed",
    "img",
    "form",
    "base",
    "audio",
    "video",
    "foreignobject",
}


def decision_of(base: Path) -> dict[str, Any]:
    return json.loads((base / "reports/decision.json").read_text(encoding="utf-8"))


def test_the_pipeline_leaves_its_page(project_after_run: baked.BakedProject) -> None:
    # Given the default project after `dvc repro`, when its page is read
    page = pages.Page(project_after_run.read("reports/index.html"))
    # Then it says what was decided, and its graph ends in the decision, though DVC locks it later
    assert page.verdict == decision_of(project_after_run.path)["verdict"] == "allow"
    assert re.search(r"<text[^>]*>decide</text>", page.source)
    assert re.search(r"<title>decision allow</title>", page.source)
    # And every figure is drawn, although `decide` was in no lock before
    assert "Not drawn" not in page.text
    # And git ignores it
    assert (
        baked.git_code(project_after_run.path, "check-ignore", "--quiet", "reports/index.html") == 0
    )


def test_the_curve_is_drawn_before_later_stages_are_locked(records: Path) -> None:  # noqa: F811
    # Given a first run, in which DVC has not locked `decide` yet
    path = records / "dvc.lock"
    lock = yaml.safe_load(path.read_text(encoding="utf-8"))
    del lock["stages"]["decide"]
    path.write_text(yaml.safe_dump(lock), encoding="utf-8")
    # When `decide` draws the page, then the ROC curve is there
    assert len(gather(records, "decide").curve) > 10
    assert not isinstance(gather(records, "decide").curve, Unusable)
    # And where the file is not the one that `evaluate` wrote, it is not
    with (records / "reports/plots/roc.csv").open("a", encoding="utf-8") as file:
        file.write("1.0,1.0\n")
    assert "does not match its digest in dvc.lock" in str(gather(records, "decide").curve)


def test_the_page_is_built_for_every_reader(records: Path) -> None:  # noqa: F811
    # Given the records of a project with approvals asked for and monitored windows, when drawn
    for number in (1, 2, 3):
        pages.monitored(records, number)
    page = pages.draw(records)
    # Then there is one heading of the first level, and none is skipped
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 == levels[0]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    # And the landmarks, the language and the way past the navigation are there
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.elements}
    assert page.of("html") == [{"lang": "en"}]
    targets = {one["href"].removeprefix("#") for one in page.of("a")}
    assert "verdict" in targets <= {one["id"] for _, one in page.elements if "id" in one}
    # And each table says what it is, each of its headings what it heads, each picture what it is
    assert len(page.of("table")) == len(page.of("caption")) > 10
    assert all(one["scope"] in ("col", "row") for one in page.of("th"))
    for one in page.of("svg"):
        assert one.get("aria-hidden") == "true" or one.get("role") == "img"
    # And the verdict comes first
    sections = [one["id"] for one in page.of("section")]
    assert sections[:2] == ["verdict", "rules"]
    assert {"performance", "fairness", "drift", "explanations", "contract", "lineage"} < set(
        sections
    )
    assert {"approvals", "monitoring", "ledger"} < set(sections)


def test_the_page_loads_nothing(records: Path) -> None:  # noqa: F811
    # Given a page, when it is searched for what could load or run something
    page = pages.draw(records)
    assert not NEVER & {tag.lower() for tag, _ in page.elements}
    addresses = [one[name] for _, one in page.elements for name in ("href", "src") if name in one]
    # Then it links to itself only, no element has a style or a script of its own
    assert all(one.startswith("#") or one == "data:," for one in addresses)
    assert not [n for _, one in page.elements for n in one if n.startswith("on") or n == "style"]
    assert "url(" not in page.source
    assert "@import" not in page.source
    # And its policy allows this one style, and nothing else
    policy = next(one["content"] for one in page.of("meta") if "http-equiv" in one)
    style = next(text for tag, text in page.texts if tag == "style")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")
    assert len(page.source.encode()) < MEGABYTES / 5


def test_the_page_shows_every_rule_with_its_numbers(records: Path) -> None:  # noqa: F811
    # Given a decision with a deny, when the page is drawn
    pages.denied(records)
    page = pages.draw(records)
    assert page.verdict == "deny"
    table = page.source.partition('aria-label="Rules"')[2].partition("</table>")[0]
    heads = re.findall(r'<th scope="row".*?(?:<br>|</th>)', table)
    shown = [re.sub(r"<[^>]+>", "", one) for one in heads]
    # Then it has every rule once, those that deny first, as they were judged
    decided = decision_of(records)["rules"]
    assert sorted(shown) == sorted(rule["id"] for rule in decided)
    assert shown[:2] == ["fairness.demographic_parity[sex]", "evaluate.roc_auc"]
    row = re.sub(r"<[^>]+>", " ", table.partition("<tbody>")[2].partition("</tr>")[0]).split()
    row = " ".join(row)
    assert "risk-owner fail 0.21 0.18 to 0.24 warns above 0.05 denies above 0.1 For sex, the" in row
    assert "rows are insufficient. Reference 0.21 in [0.18, 0.24]; female vs male" in row
    # And a sentence says what each asks, with a link to what it measures
    asks = re.findall(r'<span class="soft">([^<]+) <a href="#(metric-\d+)">Reference</a>', table)
    assert len(asks) == sum(rule["limit"] is not None for rule in decided)
    assert asks[0][0].startswith("For sex, the largest difference in the share of positive")
    assert {link for _, link in asks} == set(re.findall(r'<tr id="(metric-\d+)"', page.source))
    # And the verdict names both before any other section
    top = page.source.partition('id="rules"')[0]
    assert "at most 0.1 allowed" in top
    assert "rests on 12 rows" in top
    # And it says what to do, as the terminal does
    assert "<h3>What to do next</h3>" in top
    assert "<li>Compare the groups below (sex)." in top


def test_every_cause_of_a_denial_is_on_the_page_with_its_total_and_fixes(
    records: Path,  # noqa: F811
) -> None:
    # Given a model that selects every row, more drift than fits, and too few test rows
    def change(decision: dict[str, Any]) -> None:
        decision["verdict"] = "deny"
        [found] = [rule for rule in decision["rules"] if rule["id"] == "split.test_rows"]
        found |= {"verdict": "fail", "value": 412.0, "reason": "412; at least 1000 allowed"}
        for rule in decision["rules"]:
            if rule["id"].startswith("fairness.equal_opportunity["):
                said = f"{SAME_DECISION[1]}, so fairness cannot be compared between groups"
                rule |= {"verdict": "insufficient", "value": None, "reason": said}
        drifted = found | {"value": 0.5, "limit": 0.25, "bound": "at_most", "reason": "0.5; x"}
        more = [drifted | {"id": f"drift.data[c{place}]"} for place in range(20)]
        decision["rules"] = [
            rule for rule in decision["rules"] if not rule["id"].startswith("drift.data[")
        ] + more

    pages.edit(records / "reports/decision.json", change)
    # When the page is drawn
    page = pages.draw(records)
    top = page.text.partition("In the picture:")[0]
    # Then it says first that the decision does not vary
    first = f"{SAME_DECISION[1][0].upper()}{SAME_DECISION[1][1:]}."
    assert first in top
    assert top.index(first) < top.index("What to do next") < top.index("What denies")
    # And each cause is there with its total, fairness first, and what is left out is counted
    causes = ("fairness: 3 rules deny ", "split: 1 rule denies ", "drift: 20 rules deny, 10 shown ")
    assert "24 rules deny the model; 14 shown." in top
    assert [one for one in causes if one not in top] == []
    assert sorted(causes, key=top.index) == list(causes)
    assert "10 more are in the section Rules." in top
    # And a rule names its number and its fix
    assert "588 more test rows are missing: there are 412 of 1,000." in top
    assert "To pass, lower it by at least 0.25." in top


def test_numbers_are_those_of_the_evidence(records: Path) -> None:  # noqa: F811
    # Given the evidence, when its numbers are looked for in the page
    page = pages.draw(records)
    evidence = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (records / "reports/evidence").glob("*.json")
    }
    wanted = [
        limits.number(m["value"]) for m in evidence["evaluate"]["metrics"].values() if m["value"]
    ]
    wanted += [f"{n:,}" for n in evidence["evaluate"]["body"]["confusion"].values()]
    for attribute in evidence["fairness"]["body"]["attributes"]:
        for group in attribute["groups"]:
            wanted += [f"{group['n']:,}", *(f"{rate:.4f}" for rate in group["rates"].values())]
    for column in evidence["drift"]["body"]["columns"]:
        wanted.append(f"{column['population_stability_index']:.4f}")
        wanted += [f"{share * 100:.2f} %" for share in column["current"] if share]
    wanted += [f"{value:.4f}" for value in evidence["explain"]["body"]["importance"].values()]
    # Then all are there
    assert [one for one in wanted if one not in page.text] == []
    assert len(wanted) > 150


def test_windows_of_monitoring_become_trends(records: Path) -> None:  # noqa: F811
    # Given a ledger with windows of every level, one that was too small, and one that is none
    levels = ("healthy", "warn", "retrain", "rollback")
    for number, level in enumerate(levels, start=1):
        pages.monitored(records, number, level=level, reasons=[f"because of {level}"])
    small = {"level": "not_measured", "values": {}, "risk": None, "reasons": ["12 rows"]}
    pages.monitored(records, 5, **small)
    pages.monitored(records, 6, rows="many")
    # When the page is drawn
    page = pages.draw(records)
    # Then each window is told with its level and reason, and the last is not called healthy
    for level in levels:
        assert f"because of {level}" in page.text
    assert "not measured week-5.csv 1,005 800" in page.text
    assert "event 9 cannot be read" in page.text
    assert "The last window cannot be read." in page.text
    # And each number has a picture that says how it went, with a gap where there was none
    said = "drift.data[income] over 5 windows: first 0.01, last 0.04, lowest 0.01, highest 0.04"
    assert f"<title>{said}</title>" in page.source
    assert "risk score over 5 windows: first 10, last 40" in page.source


@pytest.mark.parametrize(
    ("level", "failed", "said"),
    [
        ("healthy", False, '<p class="soft">In production: window 1 of champion 1'),
        ("rollback", False, '<p class="notice">In production: window 1 of champion 1'),
        ("rollback", True, "and the rollback failed: nothing to go back to"),
    ],
)
def test_the_page_shows_the_state_of_production_beside_the_verdict(
    records: Path,  # noqa: F811
    level: str,
    said: str,
    *,
    failed: bool,
) -> None:
    # Given a champion with a window, and perhaps a rollback that failed
    pages.monitored(records, 1, level=level)
    if failed:
        details = {"why": "nothing to go back to"}
        storage.append(
            records, "rollback_failed", version=1, subject={"model": "sha256:1"}, details=details
        )
    # When the page is drawn, then its first section says so
    page = pages.draw(records)
    assert said in page.source.partition('<section id="rules"')[0]


def test_a_page_that_is_asked_for_hashes_again(finished: baked.BakedProject) -> None:
    # Given an allowed project, when its page is drawn, then it shows the allow
    assert json.loads(finished.call("page", "--json").stdout)["verdict"] == "allow"
    # And when its configuration is another, or its model is gone, then not
    path = "conf/data/synthetic.yaml"
    before = finished.read(path)
    finished.write(path, before.replace("faults: []", "faults: [biased]"))
    assert json.loads(finished.call("page", "--json").stdout)["verdict"] == "cannot be judged"
    assert "stale: conf/ has changed" in finished.read("reports/index.html")
    finished.write(path, before)
    (finished.path / "models" / "model.skops").unlink()
    assert json.loads(finished.call("page", "--json").stdout)["verdict"] == "cannot be judged"
    assert "model.skops is missing" in finished.read("reports/index.html")


def test_the_last_window_is_drawn_by_column(records: Path) -> None:  # noqa: F811
    # Given a window in the ledger, and what `governance monitor` left of it
    pages.monitored(records, 1)
    said = storage.read(records)[-1].event.details
    column = {
        "name": "income",
        "kind": "numeric",
        "bins": ["(0, 10]", "(10, 20]"],
        "edges": [10.0],
        "reference": [0.5, 0.5],
        "current": [0.1, 0.9],
        "population_stability_index": 0.88,
        "jensen_shannon_distance": 0.3,
    }
    path = records / "reports/monitoring/latest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"said": said, "measured": {"columns": [column]}}))
    # When the page is drawn, then both distributions are there
    page = pages.draw(records)
    gap = "the widest gap is in (0, 10], reference 50.0%, current 10.0%"
    assert f"<title>income: shares of rows in 2 bins; {gap}</title>" in page.source
    assert "Shares of income by bin in production" in page.text
    # And where it is about another window than the ledger's last, or not there, it says so
    pages.monitored(records, 2)
    page = pages.draw(records)
    assert gap not in page.source
    assert "latest.json is not about the last window in the ledger" in page.text
    path.unlink()
    assert "latest.json is missing" in pages.draw(records).text


def test_a_table_of_two_thousand_columns_gives_a_page_of_less_than_three_megabytes(
    records: Path,  # noqa: F811
) -> None:
    # Given evidence and a decision about 2,000 columns, and a ledger of 3,000 events
    gathered = gather(records)
    decision, evidence = gathered.decision, dict(gathered.evidence)
    names = [f"a_column_with_a_rather_long_name_{number}" for number in range(2000)]
    pattern = next(rule for rule in decision.rules if rule.id.startswith("drift.data["))
    rules = [pattern.model_copy(update={"id": f"drift.data[{name}]"}) for name in names] * 2
    drift = evidence["drift"]
    columns = [drift.body.columns[0].model_copy(update={"name": name}) for name in names]
    body = drift.body.model_copy(update={"columns": columns})
    evidence["drift"] = drift.model_copy(update={"body": body})
    explain = evidence["explain"]
    body = explain.body.model_copy(update={"importance": dict.fromkeys(names, 0.5)})
    evidence["explain"] = explain.model_copy(update={"body": body})
    validate = evidence["validate"]
    body = validate.body.model_copy(update={"expectations": validate.body.expectations * 200})
    evidence["validate"] = validate.model_copy(update={"body": body})
    pages.monitored(records, 1, values=dict.fromkeys(names, 0.5))
    entries = storage.read(records)[-1:] * 3000
    # When the page is drawn
    whole = draw.html(
        replace(
            gathered,
            decision=decision.model_copy(update={"rules": rules}),
            evidence=evidence,
            ledger=entries,
            life=Lifecycle(counted=entries),
        )
    )
    # Then it is small, and counts what it leaves out
    assert len(whole.encode()) < MEGABYTES
    text = pages.Page(whole).text
    assert "3,400 more are in reports/decision.json" in text
    assert "2,800 more are in the ledger" in text
    assert "1,400 more are in reports/evidence/drift.json" in text


def test_the_command_draws_and_a_new_decision_withdraws_the_page(
    finished: baked.BakedProject,
) -> None:
    # Given a finished project without its page
    page = finished.path / "reports/index.html"
    page.unlink(missing_ok=True)
    # When it is asked for, then its path is printed, and no file is left beside it
    done = finished.governance("page", "--json")
    assert json.loads(done.stdout) == {"path": "reports/index.html", "verdict": "allow"}
    assert pages.Page(page.read_text(encoding="utf-8")).verdict == "allow"
    assert [one.name for one in page.parent.iterdir() if one.name.endswith(".tmp")] == []
    # When the gate decides as before, then the page stays
    finished.call("gate")
    assert page.is_file()
    # When it decides on other evidence, though it allows again, then the page of before is gone
    other_evidence(finished.path)
    said = finished.call("gate").stdout
    assert not page.exists()
    assert "reports/index.html" not in said


def test_a_page_that_cannot_be_drawn_hides_no_decision(
    finished: baked.BakedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an engine whose page has lost its template
    broken = tmp_path / "page"
    broken.mkdir()
    (broken / "page.html").write_text("{% if %}", "utf-8")
    monkeypatch.setattr(draw, "HERE", broken)
    # When it decides
    done = finished.call("stage", "decide")
    # Then the decision is there and told, the page of before is gone, and why is said in a line
    assert decision_of(finished.path)["verdict"] == "allow"
    assert "allow · " in done.stdout
    assert not finished.has_file("reports/index.html")
    assert re.search(
        r"^decide: the page was not drawn: page/page.html: .*\. The decision is valid; ",
        done.stderr,
    )
    assert "Traceback" not in done.stderr
    # And the command says the same and fails
    done = finished.call("page", code=2)
    assert "page.html" in done.stderr


def test_a_stopped_pipeline_leaves_a_page_that_denies(finished: baked.BakedProject) -> None:
    # Given a finished project that lost its ingested table
    (finished.path / "data/raw.parquet").unlink()
    # When the next stage runs
    finished.call("stage", "split", code=2)
    # Then the page says deny, and why
    page = pages.Page(finished.read("reports/index.html"))
    assert page.verdict == "deny"
    assert "split.stopped" in page.text
    # And what lies there from before is not passed off as judged
    assert "the decision was made without the evidence of evaluate that is here" in page.text

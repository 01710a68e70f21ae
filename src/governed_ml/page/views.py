"""All content of the page's template, as plain rows (pure functions of the records)."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from governed_ml.core.bodies import ingested
from governed_ml.core.config.policy_schema import Rule
from governed_ml.core.drawing import svg
from governed_ml.core.evidence import usable
from governed_ml.core.problem import Unusable
from governed_ml.lineage import graph as lineage_graph
from governed_ml.page.gate_sections import (
    Cut,
    Row,
    attributes,
    cut,
    drift,
    importance,
    performance,
)
from governed_ml.page.records import Records
from governed_ml.page.rule_sentences import sentence
from governed_ml.page.standing_verdict import Standing, standing
from governed_ml.policy.decision import LETS_THROUGH, RuleResult, closest
from governed_ml.policy.decision_screen import MOST_ROWS, total
from governed_ml.policy.fixes.causes import causes
from governed_ml.policy.fixes.known import Known, known
from governed_ml.policy.fixes.steps import fix_of, next_steps, same_decision
from governed_ml.policy.limits import number
from governed_ml.policy.metric_words import MetricWords, words_of


def view(records: Records) -> Row:
    """Return everything that the template uses."""
    stand = standing(records)
    judged = rules(records)
    return {
        "records": records,
        "stand": stand,
        "project": None if isinstance(records.params, Unusable) else records.params.project,
        "facts": facts(records),
        "why": why(records),
        "rules": judged,
        "reference": reference(judged),
        "next": steps(records, stand),
        "performance": performance(records),
        "attributes": attributes(records),
        "drift": drift(records),
        "importance": importance(records),
        "graph": graph(records),
        "notices": notices(records, stand),
        "gaps": cut(gaps(records)),
    }


def notices(records: Records, stand: Standing) -> dict[str, str]:
    """Return gate → a notice that must be read before its section."""
    return {
        gate: "" if isinstance(records.evidence[gate], Unusable) else why
        for gate, why in stand.foreign.items()
        if gate in records.evidence
    }


def facts(records: Records) -> list[tuple[str, str]]:
    """Return the facts that identify what the verdict is about."""
    decision, life = records.decision, records.life
    train, ingest = records.evidence["train"], records.evidence["ingest"]
    found: list[tuple[str, str]] = []
    if not isinstance(decision, Unusable):
        found += [
            ("judged on", str(decision.volatile.get("judged_on") or "no record")),
            ("policy", _short(decision.policy_digest)),
        ]
        by = decision.subject.engine
        found += [("engine", f"{by.version}, {_short(by.digest)}")] if by else []
        risk = decision.model_dump().get("risk")
        found += [] if risk is None else [("risk score", number(float(risk)))]
    if not isinstance(train, Unusable):
        commit = (train.volatile.commit or "no record")[:12]
        dirty = ", with changes that were not committed" if train.volatile.dirty else ""
        found += [
            ("model", f"{train.body.model}, {_short(train.subject.model)}"),
            (
                "trained",
                f"{train.volatile.started[:16].replace('T', ' ')} UTC on commit {commit}{dirty}",
            ),
        ]
    if not isinstance(ingest, Unusable):
        found.append(("data", f"{ingest.body.uri}, {ingest.body.rows:,} rows"))
        found += ingested.about(ingest.body).items()
    if not isinstance(records.told, Unusable):
        here = records.told.version
        state = f"version {here.number}, {here.state.replace('_', ' ')}" if here else "not there"
        found.append(("in the ledger", state))
    if not isinstance(life, Unusable):
        champion = life.champion
        found.append(("champion", f"version {champion.number}" if champion else "none yet"))
    return found


def why(records: Records) -> Row:
    """Return the rules that deny by cause or, if none does, those closest to their limit."""
    decision, told = records.decision, known_of(records)
    none: Row = {"title": "", "total": "", "first": "", "parts": []}
    if isinstance(decision, Unusable):
        return none
    found = causes(decision, MOST_ROWS)
    if not found:
        rows = [_said(told, rule) for rule in closest(decision.by_weight())]
        parts = [{"heading": "", "rows": rows, "left": 0}] if rows else []
        return none | {"title": "Nearest to a limit", "parts": parts}
    parts = [
        {"heading": one.heading, "rows": [_said(told, *row) for row in one.rows], "left": one.left}
        for one in found
    ]
    first = same_decision(decision)
    return {"title": "What denies", "total": total(found), "first": first, "parts": parts}


def known_of(records: Records) -> Known:
    """Return what the records say beside the decision."""
    if isinstance(records.decision, Unusable):
        return Known()
    params = None if isinstance(records.params, Unusable) else records.params
    return known(records.decision, records.evidence, params)


def steps(records: Records, stand: Standing) -> list[str]:
    """Return what to do about a denial that stands."""
    if isinstance(records.decision, Unusable) or stand.verdict != "deny":
        return []
    found = next_steps(records.decision, known_of(records))
    return [step.replace(" in `reports/index.html`", " below") for step in found]


def _said(told: Known, rule: RuleResult, *others: RuleResult) -> Row:
    more = f" and {len(others)} more" if others else ""
    fix = "" if rule.verdict in LETS_THROUGH else fix_of(rule, told)
    return {"id": rule.id + more, "verdict": rule.verdict, "reason": rule.reason, "fix": fix}


def rules(records: Records) -> Cut:
    """Return one row with a picture per rule, those that deny first."""
    if isinstance(records.decision, Unusable):
        return Cut([], 0)
    known: dict[str, Rule] = {}
    if not isinstance(records.params, Unusable):
        known = {rule.id: rule for rule in records.params.policy.rules}
    found = cut(records.decision.by_weight())
    return Cut([_rule(one, known.get(one.id.partition("[")[0])) for one in found.rows], found.left)


def _rule(found: RuleResult, rule: Rule | None) -> Row:
    row: Row = {"found": found, "owner": rule.owner if rule else "", "limits": [], "mark": ""}
    row |= {"asks": sentence(rule, _subject(found.id)) if rule else "", "metric": _metric(rule)}
    if rule is None or rule.metric is None:
        return row | {"limits": [] if found.limit is None else [f"{found.limit:g}"]}
    side = "above" if rule.bound == "at_most" else "below"
    named = (("warns", rule.warn), ("denies", rule.block))
    row["limits"] = [f"{what} {side} {number(one)}" for what, one in named if one is not None]
    drawn = svg.limits(found.value, found.interval, rule.warn, rule.block, rule.bound == "at_most")
    return row | {"mark": drawn}


def _subject(name: str) -> str:
    """Return the feature, attribute or group in the brackets of a rule's id, or ""."""
    return name.partition("[")[2].removesuffix("]")


def _metric(rule: Rule | None) -> MetricWords | None:
    if rule is None or rule.metric is None:
        return None
    return words_of(rule.metric.replace("{each}", "each"))


def reference(found: Cut) -> list[MetricWords]:
    """Return the words for every metric that the rules name, each once, in their order."""
    return list(dict.fromkeys(one["metric"] for one in found.rows if one["metric"]))


def graph(records: Records) -> Markup:
    """Return the lineage graph in the page's colours."""
    if isinstance(records.told, Unusable) or isinstance(records.pipeline, Unusable):
        return Markup()
    found = lineage_graph.graph(records.pipeline, records.told.version)
    return Markup(lineage_graph.svg(found, "From the source to the decision", style=""))  # noqa: S704


def gaps(records: Records) -> Sequence[tuple[str, str]]:
    """Return every metric that could not be measured, with the reason."""
    return [
        (f"{gate}.{name}", metric.note)
        for gate, found in usable(records.evidence).items()
        for name, metric in found.metrics.items()
        if metric.value is None
    ]


def _short(digest: str | None) -> str:
    return "no record" if not digest else digest[:19]

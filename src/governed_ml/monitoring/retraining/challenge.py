"""The comparison of champion and challenger after a retraining: digests and metrics, no rows."""

from __future__ import annotations

from typing import Any, Literal

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.evidence import Collected, Metric, usable
from governed_ml.github.workflow_run.workflow_output import LABELS, plain, table
from governed_ml.policy.decision import Decision, RuleResult

MOST = 40  # most rows of a table
FROM = ("evaluate", "fairness")  # gates whose metrics are compared
LEFT_OUT = ("evaluate.leak", "evaluate.champion")


class MetricPair(Closed):
    """One metric of champion and challenger. None means that it was not measured."""

    name: str
    champion: float | None
    challenger: float | None


class Challenge(Closed):
    """The content of `challenge.json`, from which a retraining's pull request is written."""

    schema_version: Literal[1] = 1
    verdict: Literal["allow", "deny"]
    tally: str
    rules: list[RuleResult]
    champion: int | None
    why_no_champion: str
    metrics: list[MetricPair]
    better: Metric
    drift: list[MetricPair]
    data: dict[str, str]
    model: dict[str, str]
    rows: dict[str, float | None]

    @property
    def title(self) -> str:
        """Return the pull request's title, which begins with the verdict."""
        return f"{self.verdict.capitalize()}: retrained on new data"

    def body(self) -> str:
        """Return the pull request's description, the most important facts first."""
        known = f"it is compared with version {self.champion}"
        who = "there is no champion to compare it with" if self.champion is None else known
        lines = [f"**{self.verdict}** ({self.tally}) for the challenger; {who}."]
        if self.verdict == "deny":
            lines += [
                (
                    "The policy denies it, so the check `decision` fails: look at the reasons "
                    "before you continue."
                )
            ]
        lines += [plain(self.why_no_champion)] if self.why_no_champion else []
        loud = [one for one in self.rules if one.verdict != "pass"][:MOST]
        rules = [(LABELS[one.verdict], one.id, one.reason) for one in loud]
        lines += [table(("verdict", "rule", "reason"), rules)] if rules else []
        lines += ["### On the same test rows", self._better()]
        header = ("metric", "champion (as sealed, on its own test rows)", "challenger")
        lines += ["### Metrics", _rows(header, self.metrics)]
        header = ("metric", "champion", "challenger")
        lines += ["### Drift of test against training rows", _rows(header, self.drift)]
        digests = [(f"{what} of {whose}", digest) for what, whose, digest in self._digests()]
        lines += ["### Digests", table(("what", "digest"), digests)]
        counts = ", ".join(f"{name} {value:g}" for name, value in self.rows.items() if value)
        lines += [f"Rows: {counts}. Data and model are in DVC's remote."]
        lines += [
            (
                "Nothing is registered or promoted yet: merge this pull request, then run "
                "`governance register`."
            )
        ]
        return "\n\n".join(one.rstrip("\n") for one in lines)

    def _better(self) -> str:
        one = self.better
        if one.value is None:
            return plain(one.note)
        bounds = "" if one.lower is None else f" [{one.lower:.4g}, {one.upper:.4g}]"
        return (
            "Champion's minus challenger's mean squared error, in variances of the target "
            f"(positive: the challenger is better): {one.value:.4g}{bounds}"
        )

    def _digests(self) -> list[tuple[str, str, str]]:
        found = (("data", self.data), ("model", self.model))
        return [(what, whose, digest) for what, of in found for whose, digest in of.items()]


def _rows(header: tuple[str, ...], rows: list[MetricPair]) -> str:
    shown = [(one.name, _number(one.champion), _number(one.challenger)) for one in rows[:MOST]]
    more = f"\n{len(rows) - MOST} more are in `reports/evidence/`.\n" if len(rows) > MOST else ""
    return table(header, shown) + more


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def compared(decision: Decision, own: Collected, sealed: Collected, **known: Any) -> Challenge:
    """Compare champion and challenger; `known` are fields that cannot be taken from the evidence.

    `own` is the challenger's evidence, `sealed` the champion's.
    """
    every = [row for gate in FROM for row in _side_by_side(gate, own, sealed)]
    metrics = [one for one in every if not one.name.startswith(LEFT_OUT)]
    drift = _side_by_side("drift", own, sealed)
    measured = _metrics("evaluate", own)
    split = _metrics("split", own)
    return Challenge(
        verdict=decision.verdict,
        tally=decision.tally(),
        rules=decision.by_weight(),
        metrics=metrics,
        better=measured.get("champion_difference", Metric(value=None, note="it was not measured")),
        drift=sorted(drift, key=lambda one: -(one.challenger or 0.0)),
        rows={name: one.value for name, one in split.items() if name.startswith("rows")},
        **known,
    )


def _side_by_side(gate: str, challenger: Collected, champion: Collected) -> list[MetricPair]:
    own, other = _metrics(gate, challenger), _metrics(gate, champion)

    def value(found: dict[str, Metric], name: str) -> float | None:
        return found[name].value if name in found else None

    return [
        MetricPair(name=f"{gate}.{name}", champion=value(other, name), challenger=value(own, name))
        for name in dict.fromkeys([*own, *other])
    ]


def _metrics(gate: str, found: Collected) -> dict[str, Metric]:
    one = usable(found).get(gate)
    return {} if one is None else dict(one.metrics)

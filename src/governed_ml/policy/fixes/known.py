"""What is known beside a decision: the evidence that it is about, and the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Params, parse, read_raw
from governed_ml.core.config.policy_schema import Rule
from governed_ml.core.evidence import AnyEvidence, Collected, collect, usable
from governed_ml.core.files import PARAMS, digest_of
from governed_ml.core.problem import Problem
from governed_ml.policy.decision import Decision


@dataclass(frozen=True)
class Known:
    """Evidence by gate, the table, the test share and the policy's rules by id, where known."""

    evidence: dict[str, AnyEvidence] = field(default_factory=dict)
    data: Data | None = None
    test_share: float | None = None
    rules: dict[str, Rule] = field(default_factory=dict)

    @property
    def untimed(self) -> int:
        """Return the number of rows of the table; 0 if they have a time, or are not known."""
        split = self.evidence.get("split")
        timed = self.data is not None and self.data.time is not None
        return 0 if split is None or timed else int(split.body.whole)

    def rule(self, name: str) -> Rule | None:
        """Return the policy's rule of a result named `id` or `id[subject]`."""
        return self.rules.get(name.partition("[")[0])

    @property
    def table(self) -> str:
        """Return the file that describes the table, as people write it."""
        return f"`conf/data/{self.data.name}.yaml`" if self.data else "`conf/data/`"


def known(decision: Decision, evidence: Collected, params: Params | None) -> Known:
    """Return what is known, without evidence that the decision is not about."""
    digests = decision.subject.evidence
    mine = {
        gate: found
        for gate, found in usable(evidence).items()
        if digest_of(found.model_dump(mode="json", exclude={"volatile"})) == digests.get(gate)
    }
    if params is None:
        return Known(mine)
    rules = {rule.id: rule for rule in params.policy.rules}
    return Known(mine, params.data, params.split.tested, rules)


def known_here(decision: Decision, base: Path) -> Known:
    """Return what the files of a project say about the decision, as far as they can be read."""
    try:
        params = parse(read_raw(base / PARAMS), PARAMS)
    except Problem:
        params = None
    return known(decision, collect(base), params)

"""Faults in evidence and policy: missing, outdated, NaN, forged, waived too long."""

from __future__ import annotations

from typing import Any

from governed_ml.core import tables
from governed_ml.core.evidence import path_of
from governed_ml.core.problem import Problem
from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.faults.config import numeric, own_rule, waived
from governed_ml.drill.faults.data import GATE
from governed_ml.drill.scratch import Scratch


def missing(scratch: Scratch) -> Sign:
    """Delete evidence."""
    (scratch.project / path_of("drift")).unlink()
    return Sign(r"reports/evidence/drift\.json is missing")


def stale(scratch: Scratch) -> Sign:
    """Remove a row from the table after it was measured."""
    table = scratch.project / tables.RAW
    rows = tables.read(table).iloc[:-1]
    table.unlink()
    tables.write(rows, table)
    return Sign(r"evidence of split is stale: data/raw\.parquet has changed since it was measured")


def no_number(scratch: Scratch) -> Sign:
    """Write NaN in place of a metric; comparisons with NaN are never true."""
    name = "rows_current"
    scratch.edit(
        path_of("drift").as_posix(),
        lambda found: found["metrics"][name].update(value=float("nan")),
    )
    return Sign(rf"drift\.json breaks its schema at metrics\.{name}\.value")


def waiver(scratch: Scratch) -> Sign:
    """Make a rule fail, and add a waiver that expired yesterday."""
    rule, days, policy = numeric(scratch), list[str](), scratch.params().policy
    beyond = -1e12 if rule.bound == "at_most" else 1e12

    def tightened(values: Any) -> None:
        own_rule(values.setdefault("rules", {}), rule.id)["block"] = beyond
        days.append(waived(values, rule.id, policy))

    scratch.edit_yaml(f"conf/policy/{policy.name}.yaml", tightened)
    return Sign(rf"the waiver is void: it expired on {days[0]}", rule.id)


def forged_lock(scratch: Scratch) -> Sign:
    """Write evidence by hand, lock it with DVC and commit it; then measure as CI does."""

    def better(found: dict[str, Any]) -> None:
        found["metrics"]["overlap_share"].update(value=0.5)

    scratch.edit(path_of("split").as_posix(), better)
    scratch.dvc("commit", "--force", "--quiet")
    scratch.commit("Better evidence")
    if "up to date" not in scratch.dvc("status"):
        raise Problem("the fault could not be planted: DVC did not accept the forged lock")
    scratch.must("stage", "split")
    return Sign(r"evidence of split was not measured on this commit: overlap_share")


FAULTS = (
    Fault("missing-evidence", "evidence was deleted", (4,), GATE, missing),
    Fault("stale-evidence", "a table changed after it was measured", (4, 15), GATE, stale),
    Fault("nan-evidence", "a measured number is NaN", (5, 6), GATE, no_number),
    Fault("expired-waiver", "the waiver of a failed rule has expired", (30,), GATE, waiver),
    Fault(
        "forged-lock",
        "evidence was written by hand, and DVC locked it",
        (13,),
        ("rehash",),
        forged_lock,
    ),
)

"""Validate the data contract; a breach stops the pipeline before training."""

from __future__ import annotations

from pathlib import Path

from governed_ml.core import tables
from governed_ml.core.config import read
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import ValidateBody
from governed_ml.core.files import file_digest, write_json, write_text
from governed_ml.core.problem import Problem
from governed_ml.core.terminal import PROGRESS
from governed_ml.pipeline.contract.contract_page import page
from governed_ml.pipeline.contract.outcomes import said
from governed_ml.pipeline.contract.suite_file import built_in, given
from governed_ml.pipeline.contract.validation import judged
from governed_ml.pipeline.stage_runner import record

SECTIONS = ("data.contract", "data.sensitive", "data.target")
PAGE = Path("reports/contract.html")


def main() -> str:
    """Judge the contract, write evidence and page; raise `Problem` on a breach."""
    data = read(*SECTIONS).data
    columns = tables.columns(tables.RAW)
    rows = int(tables.rows(f"SELECT count(*) FROM {tables.table(tables.RAW)}")[0][0])
    own = given(data)
    always = [one for one in built_in(data, list(columns)) if one not in own]
    PROGRESS.step(f"judging {len(own + always):,} expectations")
    outcomes = judged(tables.RAW, own + always)
    broken = [one for one in outcomes if not one.success]
    write_text(PAGE, page(data.contract, rows, outcomes))
    contract = Path(data.contract)
    body = ValidateBody(
        contract=data.contract,
        contract_digest=file_digest(contract),
        rows=rows,
        columns=len(columns),
        expectations=outcomes,
    )
    metrics = {
        "rows": Metric(value=float(rows)),
        "columns": Metric(value=float(len(columns))),
        "expectations": Metric(value=float(len(outcomes))),
        "failed_expectations": Metric(
            value=float(len(broken)), note="; ".join(map(said, broken))[:3000]
        ),
    }
    findings = [
        Finding(
            what=f"breaks {one.type}", where=one.column or "table", value=one.unexpected_percent
        )
        for one in broken
    ]
    record(
        "validate",
        SECTIONS,
        [tables.RAW, contract],
        body,
        metrics,
        findings=findings,
        tools=("great-expectations", "pandas"),
    )
    if broken:
        raise Problem(
            f"the data contract does not hold: {'; '.join(map(said, broken))}; see "
            f"{PAGE.as_posix()}",
            1,
        )
    write_json(tables.VALIDATED, {"raw": file_digest(tables.RAW)})
    return f"{len(outcomes)} expectations hold on {rows:,} rows"

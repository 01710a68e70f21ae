"""Commands around the pipeline: a single stage, predictions, page, contract, schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governed_ml.cli.help import group
from governed_ml.core.problem import Problem, counted

contract = group("Draft the data contract.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a line.")]


def predict(
    source: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON with the model's features.")],
    output: Annotated[Path, typer.Option(help="Where predictions go: .csv or .parquet.")],
    alias: Annotated[
        str, typer.Option(help="Which version predicts: champion or challenger.")
    ] = "champion",
    request: Annotated[
        str | None, typer.Option(help="An id for the request; by default a new one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict with the champion.

    It first verifies the signature, the digests and the events of the version.

    \b
    Examples:
      uv run governance predict new.csv --output out.csv
      uv run governance predict new.csv --output out.csv --alias challenger
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing")  # before a library is imported

    from governed_ml.cli.registry import door
    from governed_ml.core.terminal import tell
    from governed_ml.pipeline.predict_version import ServedVersion, checked_request
    from governed_ml.pipeline.predict_version import predict as predicted
    from governed_ml.registry.release.loading import loaded

    source, output = source.absolute(), output.absolute()
    base, registry = door()
    name = checked_request(source, output, request)
    with loaded(base, registry, alias) as (version, checked):
        origin = ServedVersion(
            version=version.number,
            state=version.state,
            digest=version.subject["model"],
            model=checked.model,
            evidence=checked.evidence(),
            data=checked.params().data,
        )
        done = predicted(origin, source, output, name)
    made = f"{counted(done.rows, 'prediction')} by version {done.version}"
    line = f"{made} in {output} (request {done.request})"
    line += "".join(f"; {note}" for note in done.notes)
    values = {"request": done.request, "version": done.version, "rows": done.rows}
    values |= {"notes": done.notes}
    tell(as_json, line, log=done.log.as_posix(), **values)


def page(as_json: Json = False) -> None:
    """Draw reports/index.html, the page for people.

    It is drawn from evidence, decision and ledger, and it judges nothing.

    \b
    Examples:
      uv run governance page
    """
    from governed_ml.core.files import root, shown
    from governed_ml.core.terminal import tell
    from governed_ml.page.draw import draw
    from governed_ml.page.records import changed

    base = root()
    path, verdict = draw(base, changed=changed(base))
    tell(as_json, shown(base / path), path=path.as_posix(), verdict=verdict)


def stage(
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml: compose, ingest, …, decide.")],
) -> None:
    """Run one stage of the pipeline, as `dvc repro` does.

    A stage that fails leaves a deny. Exit codes: 0 done, 1 the data contract is broken, 2 failed.

    \b
    Examples:
      uv run governance stage train
      uv run governance stage train --traceback
    """
    from governed_ml.pipeline.stage_runner import run

    run(name)


@contract.command()
def draft() -> None:
    """Draft an expectation suite for the ingested table.

    Read it and tighten it before you commit it.

    \b
    Examples:
      uv run governance contract draft
    """
    from governed_ml.core.config.composition import CONF, compose
    from governed_ml.core.files import root, write_json
    from governed_ml.core.tables import RAW
    from governed_ml.pipeline.contract.suite_file import draft as drafted

    base = root()
    data = compose(base / CONF).data
    path = base / data.contract
    if path.exists():
        raise Problem(f"{data.contract} exists already: edit it, or delete it first")
    if not (base / RAW).is_file():
        raise Problem(f"{RAW} is missing: run `uv run dvc repro ingest` first")
    write_json(path, drafted(base / RAW, data))
    print(f"wrote {data.contract}: read it, tighten it, commit it")


def schemas() -> None:
    """Write the JSON Schemas of evidence and decision.

    They go to governance/schemas/.

    \b
    Examples:
      uv run governance schemas
    """
    from governed_ml.core.evidence import json_schema
    from governed_ml.core.files import root, write_json
    from governed_ml.policy.decision import Decision

    folder = root() / "governance" / "schemas"
    write_json(folder / "evidence.json", json_schema())
    write_json(folder / "decision.json", Decision.model_json_schema())

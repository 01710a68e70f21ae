"""Commands around the pipeline: its data, a single stage, predictions, page, contract, schemas."""

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


def page(
    data: Annotated[
        bool, typer.Option("--data", help="Draw reports/data.html, the page about the data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Draw reports/index.html, the page for people.

    It is drawn from evidence, decision and ledger, and it judges nothing. With --data, draw
    reports/data.html instead: distributions, missing values and the target by group.

    \b
    Examples:
      uv run governance page
      uv run governance page --data
    """
    from governed_ml.core.files import root, shown
    from governed_ml.core.terminal import tell

    if data:
        path = _data_page()
        tell(as_json, shown(root() / path), path=path.as_posix())
        return

    from governed_ml.page.draw import draw
    from governed_ml.page.records import changed

    base = root()
    path, verdict = draw(base, changed=changed(base))
    tell(as_json, shown(base / path), path=path.as_posix(), verdict=verdict)


def _data_page() -> Path:
    """Draw the page about the ingested table; return its path in the project."""
    from governed_ml.core.config.composition import CONF, compose
    from governed_ml.core.files import root
    from governed_ml.core.tables import RAW
    from governed_ml.pipeline.data_page.data_page import draw

    base = root()
    if not (base / RAW).is_file():
        raise Problem(f"{RAW.as_posix()} is missing: run `uv run dvc repro ingest` first")
    return draw(base, base / RAW, compose(base / CONF).data)


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


def init_data(
    source: Annotated[
        str,
        typer.Argument(help="A file, a folder of files, a URL, or a database's URL."),
    ],
    target: Annotated[str | None, typer.Option(help="The column that the model predicts.")] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="The favourable value; all other values of the target count as no."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="classification or regression.")] = None,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="A sensitive attribute; may be repeated.")
    ] = None,
    no_sensitive_reason: Annotated[
        str | None, typer.Option(help="Why there is no sensitive attribute.")
    ] = None,
    tier: Annotated[str | None, typer.Option(help="minimal, limited or high.")] = None,
    query: Annotated[str | None, typer.Option(help="The SELECT for a database.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A key of conf/data, as 'key: value'.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing; refuse what is unknown.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; ask nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
) -> None:
    """Draft the configuration and the data contract for a table.

    It reads the table, proposes what each column is, and says why. It asks only what the table
    cannot say, and refuses to guess where a wrong guess would go unnoticed.

    \b
    Examples:
      uv run governance init-data loans.csv --target repaid
      uv run governance init-data adult.csv --target income --positive ">50K"
    """
    import sys
    from contextlib import nullcontext

    from governed_ml.core.files import root
    from governed_ml.core.terminal import PROGRESS
    from governed_ml.init_data.run import propose
    from governed_ml.init_data.screen import asked, said, show, track
    from governed_ml.init_data.wishes import Wishes, settings

    given = Wishes(
        target=target,
        positive=positive,
        task=task,
        sensitive=tuple(sensitive or ()),
        no_sensitive_reason=no_sensitive_reason,
        tier=tier,
        settings=settings(set_ or []),
    )
    base = root()
    asks = not (yes or as_json) and sys.stdin.isatty()
    with nullcontext() if as_json else PROGRESS.shown("init-data"):
        step = (lambda line: None) if as_json else said
        proposal = propose(base, source, query, given, asked if asks else None, step, dry=dry_run)
        if not dry_run:
            step("adding the table to DVC")
            track(base, proposal)
    show(proposal, as_json=as_json, dry=dry_run)


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

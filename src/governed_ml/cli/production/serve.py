"""`governance serve`: answer over HTTP with the champion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from governed_ml.core.problem import NO_ANSWER, Problem

ONE_THREAD: dict[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""One row takes five times as long if several threads share it."""


def serve(
    host: Annotated[str | None, typer.Option(help="The address; by default serve.host.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; by default serve.port.")] = None,
    shadow: Annotated[
        int | None, typer.Option(help="A version that is asked, too; nobody gets its answers.")
    ] = None,
    canary: Annotated[
        int | None, typer.Option(help="An approved version: start it as a canary.")
    ] = None,
    share: Annotated[
        int | None, typer.Option(help="The percentage of subjects that the canary answers first.")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="champion or canary: answer all as this one; a proxy divides subjects."),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(help="The data folder of another service, to judge the canary by, too."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify and load the champion, then end.")
    ] = False,
) -> None:
    """Answer over HTTP with the champion.

    It verifies the version as `predict` does, and follows the ledger: a version that is rolled back
    is no longer served. Each answer is in the prediction log before it is sent. It runs until
    Ctrl-C or SIGTERM. With --check, exit code 1 means that the champion is refused.

    \b
    Examples:
      uv run governance serve
      uv run governance serve --shadow 4
      uv run governance serve --canary 4 --share 10
      uv run governance serve --port 8001 --arm canary --log ../champion/data
      uv run governance serve --check
    """
    os.environ.update(ONE_THREAD)  # before a library is imported
    from governed_ml.core.installation import trusted

    trusted.require("computing", exit_code=NO_ANSWER)

    from governed_ml.cli.registry import door
    from governed_ml.serving.app.start import checked, start

    if share is not None and canary is None:
        raise Problem("--share says how much a canary answers: name its version with --canary")
    as_arm = _arm(arm)
    folders = [one.absolute() for one in log or []]
    base, registry = door()
    if check:
        print(checked(base, registry))
        return
    start(
        base,
        registry,
        host=host,
        port=port,
        shadow=shadow,
        canary=canary,
        share=share,
        arm=as_arm,
        logs=folders,
    )


def _arm(name: str | None) -> Literal["champion", "canary"] | None:
    if name == "champion":
        return "champion"
    if name == "canary":
        return "canary"
    if name is None:
        return None
    raise Problem(f"--arm is champion or canary, not {name[:40]!r}")

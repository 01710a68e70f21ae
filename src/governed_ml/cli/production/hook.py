"""`governance hook`: tell other tools over HTTP whether a version may be deployed."""

from __future__ import annotations

from typing import Annotated

import typer

from governed_ml.core.problem import NO_ANSWER


def hook(
    host: Annotated[str | None, typer.Option(help="The address; by default serve.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="The port; by default serve.hook.port.", min=0, max=65535)
    ] = None,
) -> None:
    """Tell other tools whether a version may be deployed.

    Over HTTP, it answers approved, pending or blocked, with the reasons, from the ledger and the
    policy on the protected branch, read anew for each question. It records nothing. Flagger, Argo
    Rollouts and GitHub can ask it. It runs until Ctrl-C or SIGTERM.

    \b
    Examples:
      uv run governance hook
      uv run governance hook --port 9000
    """
    from governed_ml.core.installation import trusted

    trusted.require("computing", exit_code=NO_ANSWER)  # before a library is imported

    from governed_ml.cli.registry import door
    from governed_ml.serving.hook.start import start

    base, registry = door()
    start(base, registry, host=host, port=port)

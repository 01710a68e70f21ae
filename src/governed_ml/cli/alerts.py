"""`governance alerts`: write the alert rules and the dashboard of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def alerts(
    output: Annotated[Path, typer.Option(help="The folder for the files.")],
    job: Annotated[
        str, typer.Option(help="Prometheus's job of the service; by default the experiment's name.")
    ] = "",
    target: Annotated[
        str, typer.Option(help="The service's host and port; by default those of serve.")
    ] = "",
    webhook: Annotated[
        str, typer.Option(help="The address that Alertmanager's sample sends alerts to.")
    ] = "http://127.0.0.1:9095/",
) -> None:
    """Write the alert rules and the dashboard of the service.

    The limits are those of conf/: the policy's about windows and explanations, and the settings
    `serve`. Files of the same name in the folder are replaced. `promtool test rules` of Prometheus
    runs the tests of the alerts, which are written, too.

    \b
    Examples:
      uv run governance alerts --output monitoring/
      uv run governance alerts --output monitoring/ --target 10.0.0.5:8000
    """
    from governed_ml.core.config.composition import CONF, compose
    from governed_ml.core.files import root
    from governed_ml.serving.metrics import written_files

    folder = output.absolute()
    params = compose(root() / CONF)
    address = target or f"{params.serve.host}:{params.serve.port}"
    where = written_files.Addresses(address, webhook=webhook)
    paths = written_files.write(params, job or params.experiment, where, folder)
    for path in paths:
        print(output / path.name)

"""The console script `governance`. Hooks and stages bypass the command line, to start faster."""

from __future__ import annotations

import sys

from governed_ml.core import crash_report, terminal
from governed_ml.core.process_settings import ended_in_order, without_plugins


def main() -> None:
    """Run a command.

    `stage` and `check` bypass Typer, whose start would take most of their time.
    """
    without_plugins()
    terminal.prepare_streams()
    with ended_in_order():
        _run()


def _run() -> None:
    sys.argv[1:] = crash_report.take_option(sys.argv[1:])
    match sys.argv[1:]:
        case ["stage", name] if not name.startswith("-"):
            from governed_ml.pipeline.stage_runner import run

            run(name)
        case ["check", first, *_] if not first.startswith("-"):
            from governed_ml.checks.command import main as checks

            sys.exit(checks(sys.argv[2:]))
        case _:
            from governed_ml.cli.app import main as command

            command()


if __name__ == "__main__":
    main()

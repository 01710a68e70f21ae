"""Run `governance …` in this process: what a subprocess spends on imports is spent once."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import warm

from governed_ml.core.code import stage_code
from governed_ml.core.installation import trusted


def governance(
    folder: Path, package: str, arguments: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine as its own process would: same folder, variables and output.

    What a child process prints itself is not captured. An exception that the command does not
    turn into a line is the test's.
    """
    from governed_ml.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with (
        inside(folder, package, environment),
        mock.patch.object(sys, "argv", ["governance", *arguments]),
        mock.patch.object(os, "_exit", sys.exit),  # how a stage ends
        as_installed(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    assert code is None or isinstance(code, int), code
    command = ["governance", *arguments]
    return subprocess.CompletedProcess(command, code or 0, out.getvalue(), err.getvalue())


@contextmanager
def inside(folder: Path, package: str, environment: Mapping[str, str]) -> Generator[None]:
    """Work in a project as a new process would, and leave nothing of it behind."""
    forget(package)
    disabled = logging.root.manager.disable
    try:
        with (
            chdir(folder),
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.object(subprocess, "Popen", warm.popen()),
            warnings.catch_warnings(),
        ):
            yield
    finally:
        logging.disable(disabled)
        forget(package)
        if (mlflow := sys.modules.get("mlflow")) is not None:
            while mlflow.active_run():
                mlflow.end_run()
            mlflow.set_tracking_uri(None)


@contextmanager
def as_installed() -> Generator[None]:
    """Leave out the look at how Python was started: here it was started by pytest.

    That every command looks is tested in processes of their own.
    """
    with mock.patch.object(trusted, "require"), mock.patch.object(trusted, "note_folder"):
        yield


def forget(package: str) -> None:
    """Empty the engine's caches, and unload the team's modules."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            del sys.modules[name]
        elif name.partition(".")[0] == "governed_ml":
            for one in vars(module).values():
                # What the engine's own files import stays: they do not change.
                if hasattr(one, "cache_clear") and one is not stage_code.imports:
                    one.cache_clear()

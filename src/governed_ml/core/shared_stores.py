"""Find which stores other machines can reach: the MLflow server, and the remotes of git and DVC."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from governed_ml.core.repository import has_remote


def unshared(base: Path) -> list[str]:
    """Return, for each store that would be deleted with a runner, what is wrong and what to set."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    found = {
        (
            "MLflow's database is on the runner and is deleted with it: set "
            "MLFLOW_TRACKING_URI to a server"
        ): (server.startswith(("http", "postgresql", "mysql"))),
        (
            "the ledger is on the runner only and is deleted with it: check out a repository "
            "that has a remote"
        ): has_remote(base),
        "DVC's remote is a folder of the runner and is deleted with it: set a shared remote (`uv "
        "run dvc remote modify`)": shared_remote(base),
    }
    return [why for why, shared in found.items() if not shared]


def shared_remote(base: Path) -> bool:
    """Return whether DVC's remote is one that other machines can reach.

    A `file://` URL is none, because DVC cannot read it.
    """
    _, url = remote(base)
    return "://" in url and not url.lower().startswith("file:")


def remote(base: Path) -> tuple[str, str]:
    """Return the name and URL of DVC's default remote; each is "" if it is not set."""
    config = configparser.ConfigParser()
    config.read([base / ".dvc" / "config", base / ".dvc" / "config.local"], encoding="utf-8")
    name = config.get("core", "remote", fallback="")
    return name, config.get(f"'remote \"{name}\"'", "url", fallback="")

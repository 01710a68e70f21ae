"""Verify the ledger against the listed signing keys, the registry's anchors and the rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from governed_ml.ledger.events import Anchor
    from governed_ml.ledger.signatures import Signer
    from governed_ml.ledger.verification import Verification


def inspect(base: Path) -> Verification:
    """Verify this clone's ledger against everything that is known about it."""
    from governed_ml.ledger.verification import verify as verified
    from governed_ml.registry.counted_events import follow, void_lines

    anchors, lost = anchors_of(base)
    signers, unknown = signers_of(base)
    unasked = [why for why in (lost, unknown) if why]
    return verified(
        base, anchors, signers, unasked, lambda entries: void_lines(follow(base, entries))
    )


def signers_of(base: Path) -> tuple[tuple[Signer, ...], str | None]:
    """Return the keys that may sign events, and why they could not be read (None if they could)."""
    from governed_ml.core.problem import Problem
    from governed_ml.core.repository import last_protected
    from governed_ml.ledger.protected_history import signers

    try:
        return signers(base, last_protected(base)), None
    except Problem as problem:
        return (), str(problem)


def anchors_of(base: Path) -> tuple[list[Anchor], str | None]:
    """Return the registry's anchors, and why they could not be read (None if they could)."""
    import os
    import sqlite3

    from governed_ml.core.mlflow_store import sqlite_url, told
    from governed_ml.core.problem import Problem

    try:
        if not os.environ.get("MLFLOW_TRACKING_URI") and _never_registered(base / "mlflow.db"):
            return [], None  # there is no registry yet, and connecting would create one
    except sqlite3.Error as error:
        return [], told(sqlite_url(base / "mlflow.db"), error)
    from governed_ml.registry.versions import Registry, model_name

    os.chdir(base)
    try:
        return Registry(model_name(base)).anchors(_known(base)), None
    except Problem as problem:
        return [], str(problem)


def _known(base: Path) -> set[int] | None:
    """Return the versions that the ledger knows, or None if the ledger cannot be read."""
    from governed_ml.core.problem import Problem
    from governed_ml.registry.counted_events import follow

    try:
        return set(follow(base).versions)
    except Problem:
        return None


def _never_registered(store: Path) -> bool:
    """Return whether the repository's own store has no registered model, without using MLflow."""
    import sqlite3
    from contextlib import closing

    if not store.exists():
        return True
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM registered_models").fetchone() == (0,)

"""Verified files of versions, kept for a while: tools ask every few seconds.

Files are kept for one state of ledger and rules only. What they are judged by is never kept.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from governed_ml.registry.release.bundle import Checked

MOST = 4  # versions whose files are kept
SECONDS = 600.0  # after which files are fetched and verified again


@dataclass(frozen=True)
class KeptBundle:
    """The files of a version, and since when they are kept."""

    checked: Checked
    folder: Path
    since: float


class VerifiedBundles:
    """Use it in a `with`: at the end the files are deleted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._home = Path(tempfile.mkdtemp(prefix="governance-hook-"))
        self._kept: dict[tuple[object, ...], KeptBundle] = {}

    def __enter__(self) -> VerifiedBundles:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete all files."""
        shutil.rmtree(self._home, ignore_errors=True)

    def of(self, key: tuple[object, ...], fetch: Callable[[Path], Checked]) -> Checked:
        """Return the files under a key; `fetch` downloads and verifies them into a new folder."""
        found = self._kept.get(key)
        if found is not None and self._clock() - found.since <= SECONDS:
            return found.checked
        self._forget(key)
        while len(self._kept) >= MOST:
            self._forget(min(self._kept, key=lambda one: self._kept[one].since))
        folder = Path(tempfile.mkdtemp(dir=self._home))
        try:
            checked = fetch(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._kept[key] = KeptBundle(checked, folder, self._clock())
        return checked

    def _forget(self, key: tuple[object, ...]) -> None:
        if (old := self._kept.pop(key, None)) is not None:
            shutil.rmtree(old.folder, ignore_errors=True)

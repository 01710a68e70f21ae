"""Where the service appends."""

from __future__ import annotations

from dataclasses import dataclass

from governed_ml.pipeline.prediction_log.store import Store
from governed_ml.serving.metrics.names import LogStore


@dataclass(frozen=True)
class Stores:
    """Where the service appends: predictions, sensitive attributes, and labels."""

    predictions: Store
    sensitive: Store
    truth: Store

    def named(self) -> list[tuple[LogStore, Store]]:
        """Return every store with its name."""
        return [
            ("predictions", self.predictions),
            ("sensitive", self.sensitive),
            ("truth", self.truth),
        ]

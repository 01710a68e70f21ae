"""Log a whole batch at once: one Parquet file for a request, and one for its attributes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core import tables
from governed_ml.core.files import shown
from governed_ml.core.problem import cause
from governed_ml.pipeline.prediction_log.places import CLOSED, PREDICTIONS, file_mode, make
from governed_ml.pipeline.prediction_log.record_lines import Unwritable

if TYPE_CHECKING:
    import pandas as pd


def answered(request: str) -> Path | None:
    """Return the file with a request's predictions, or None."""
    return next(PREDICTIONS.glob(f"*/{request}{CLOSED}"), None)


def write(frame: pd.DataFrame, folder: Path, day: str, request: str) -> Path:
    """Write the rows of a request to a folder of the log; return the file."""
    try:
        path = make(folder, day) / f"{request}{CLOSED}"
    except OSError as error:
        raise Unwritable(
            f"cannot write the log {shown(folder)}: {cause(error)}; free disk space or fix the "
            "permissions"
        ) from error
    tables.write(frame, path, file_mode(folder))
    return path

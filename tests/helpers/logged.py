"""Records of the prediction log: examples, and every record that readers of a store find."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyarrow import parquet

from governed_ml.pipeline.prediction_log.store_files import files


def record(number: int, **more: Any) -> dict[str, Any]:
    """A record with a key of its own."""
    return {"request_id": f"r{number}", "row": 0, "income": number / 7, **more}


def found(folder: Path) -> list[dict[str, Any]]:
    """Every record of a store, with the columns of its file."""
    with TemporaryDirectory() as scratch:
        tables = [parquet.read_table(one) for one in files(folder, Path(scratch))]
    return [row for table in tables for row in table.to_pylist()]


def ids(folder: Path) -> list[str]:
    """The request ids of every record of a store, in order."""
    return sorted(one["request_id"] for one in found(folder))


def left(folder: Path, pattern: str) -> list[Path]:
    """The files of a store with a name like this."""
    return sorted(folder.glob(f"*/{pattern}"))

"""The process in which a team's source runs: it may read files and use the network, not write."""

from __future__ import annotations

import io
from typing import Any

from governed_ml.core.code import team
from governed_ml.core.problem import Problem
from governed_ml.pipeline.isolated import contract
from governed_ml.pipeline.isolated.child_process import Inside, run


def main(inside: Inside) -> None:
    """Send the table that the named function returns, as Parquet."""
    inside.shut_in(reads_all=True, network=True)
    package, name = inside.package(), inside.job["function"]
    where = f"src/{package.name}/{team.SOURCES}.py"
    team.install(package)
    table = contract.called(package.name, team.SOURCES, name)(**inside.job["options"])
    inside.answer({}, as_parquet(table, f"{where}: {name}"))


def as_parquet(table: Any, whose: str) -> memoryview:
    """Return a pandas or Arrow table as Parquet; a frame's index is not a column and is dropped."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    if isinstance(table, pd.DataFrame):
        names = [str(column) for column in table.columns]
        try:
            table = pa.Table.from_pandas(table.set_axis(names, axis=1), preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            reason = " ".join(str(one) for one in error.args)
            raise Problem(f"{whose} returned a table with mixed types: {reason}") from error
    if not isinstance(table, pa.Table):
        kind = "nothing" if table is None else f"a {type(table).__name__}"
        raise Problem(f"{whose} returned {kind}: return a pandas or Arrow table")
    buffer = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getbuffer()


if __name__ == "__main__":
    run(main)

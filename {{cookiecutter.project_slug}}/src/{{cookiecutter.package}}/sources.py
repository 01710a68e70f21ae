"""Sources of tables besides those that the engine reads itself (file, SQL, OpenML, synthetic).

A file in `conf/data` names a function of this module and its options:

    source: {kind: team, function: from_folder, options: {folder: data/source}}

The function returns one table (pandas or Arrow), the same one for everybody who runs it. It may
read files and use the network, but must not write files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def from_folder(folder: str) -> pd.DataFrame:
    """Read every CSV file of a folder, in the order of their names, as one table."""
    import pandas as pd

    return pd.concat([pd.read_csv(path) for path in sorted(Path(folder).glob("*.csv"))])

"""A project whose folder was renamed keeps its champion."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pandas as pd
from baked import BakedProject


def test_a_promoted_project_whose_folder_was_renamed_keeps_its_champion(
    contested: BakedProject,
) -> None:
    # Given a project with a champion, whose folder is renamed
    place = contested.path.rename(contested.path.with_name("kredit [neu] 100 %"))
    moved = replace(contested, path=place)
    # When it is used there
    status = moved.call("status")
    rows = pd.read_parquet(place / "data" / "raw.parquet").head(50)
    rows.to_parquet(place / "rows.parquet")
    done = moved.call("predict", "rows.parquet", "--output", "scores.parquet", "--json")
    # Then the champion is the same, and predicts
    assert re.search(r"^1 +champion ", status.stdout, re.MULTILINE)
    assert (place / "scores.parquet").is_file()
    assert json.loads(done.stdout)["version"] == 1

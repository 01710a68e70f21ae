"""Tests that the team's features, training and sources return what the engine requires."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from governed_ml import testing


def test_features_are_numbers_also_for_values_that_training_never_saw() -> None:
    # Given a small table with missing values, in the shape of the split
    table = testing.small_table()
    first, second = table.features.iloc[::2], table.features.iloc[1::2].copy()
    second[table.categorical] = "never seen"
    # When one half is learned from and the other is transformed
    transformer = testing.load("features").preprocessing(table.numeric, table.categorical)
    found = pd.DataFrame(transformer.fit(first).transform(second))
    # Then each row is numbers
    assert len(found) == len(second)
    assert found.notna().all(axis=None)


def test_training_returns_a_model_that_predicts_each_row() -> None:
    # Given a small table, and the pipeline that the engine hands over
    table = testing.small_table()
    # When it is fitted
    model = testing.load("training").fit(table.pipeline(), table.features, table.target)
    # Then every row has a prediction
    assert len(model.predict(table.features)) == len(table.features)


def test_a_source_reads_every_file_of_its_folder_in_order(tmp_path: Path) -> None:
    # Given a folder with two files
    pd.DataFrame({"income": [3, 4]}).to_csv(tmp_path / "b.csv", index=False)
    pd.DataFrame({"income": [1, 2]}).to_csv(tmp_path / "a.csv", index=False)
    # When it is read, then the rows follow the names of the files
    table = testing.load("sources").from_folder(str(tmp_path))
    assert table["income"].tolist() == [1, 2, 3, 4]

"""How the features are prepared for the estimator.

You may add a function `columns(table)`, which adds or replaces columns. It must compute each row
from that row's values only. It becomes part of the model, so it runs in training, scoring and
serving alike:

    def columns(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(loan_per_income=table["loan_amount"] / table["income"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer


def preprocessing(numeric: list[str], categorical: list[str]) -> ColumnTransformer:
    """Impute and scale numbers, one-hot encode categories; encode unseen categories like rare ones.

    Categories are one-hot encoded, because SHAP is wrong for categories that an estimator encodes.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing", keep_empty_features=True),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=40, sparse_output=False),
    )
    return ColumnTransformer(
        [("numeric", numbers, numeric), ("categorical", categories, categorical)]
    )

"""The default project's training as a bare script: load, fit, log to a fresh MLflow store.

    python bare.py lean|plain PROJECT

`lean` names the model's requirements, `plain` lets MLflow find them out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TRUSTED = ["numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
how, data = sys.argv[1], Path(sys.argv[2]) / "data" / "split"
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("bare")
train, test = (pd.read_parquet(data / f"{part}.parquet") for part in ("train", "test"))
features = [name for name in train if name not in ("__row", "__target")]
numeric = [name for name in features if train[name].dtype == "float64"]
categorical = [name for name in features if name not in numeric]
numbers = make_pipeline(
    SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
)
categories = make_pipeline(
    SimpleImputer(strategy="constant", fill_value="missing", keep_empty_features=True),
    OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=40, sparse_output=False),
)
settings = {"learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 50}
model = make_pipeline(
    ColumnTransformer([("n", numbers, numeric), ("c", categories, categorical)]),
    HistGradientBoostingClassifier(**settings, random_state=2026),
)
with mlflow.start_run():
    model.fit(train[features], train["__target"])
    auc = roc_auc_score(test["__target"], model.predict_proba(test[features])[:, 1])
    mlflow.log_params(settings)
    mlflow.log_metric("roc_auc", auc)
    named = {"pip_requirements": ["scikit-learn", "skops", "pandas"]} if how == "lean" else {}
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(
            test[features].head(100), model.predict(test[features].head(100))
        ),
        serialization_format="skops",
        skops_trusted_types=TRUSTED,
        **named,
    )
print(auc)

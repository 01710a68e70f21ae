"""XGBoost, LightGBM and CatBoost: settings that are added or refused, and how they are stored."""

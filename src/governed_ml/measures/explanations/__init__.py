"""SHAP values of a model: its most important features, and contributions to single answers."""

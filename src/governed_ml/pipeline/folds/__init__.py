"""Cross-validation: each row is tested by a model that was trained without its fold."""

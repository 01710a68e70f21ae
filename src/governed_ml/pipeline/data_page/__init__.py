"""The data page: what a table looks like before a model is trained on it."""

"""A governed machine-learning project: measure, judge, approve, remember."""

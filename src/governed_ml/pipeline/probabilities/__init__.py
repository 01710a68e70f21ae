"""Calibrate a model's probabilities, and choose the threshold from which on it answers yes."""

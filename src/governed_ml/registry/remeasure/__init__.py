"""Measure a commit again, outside DVC."""

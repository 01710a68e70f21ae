"""Measure a commit again without DVC."""

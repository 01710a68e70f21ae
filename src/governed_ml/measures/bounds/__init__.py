"""Confidence bounds of rates, means and performance."""

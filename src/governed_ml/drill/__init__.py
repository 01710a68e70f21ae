"""Planted faults, and which command catches each."""

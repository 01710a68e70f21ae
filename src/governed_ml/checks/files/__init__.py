"""Checks of single files."""

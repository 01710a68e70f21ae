"""Direct identifiers and protected attributes."""

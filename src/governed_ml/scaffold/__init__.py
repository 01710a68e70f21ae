"""The generated files: comparison and updates."""

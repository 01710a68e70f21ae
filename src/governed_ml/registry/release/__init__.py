"""The release of a version: its signed files, which are loaded only after all checks."""

"""The release of a version: its files, signed, and loaded only after both were checked."""

"""Checks of files and of the project, run by hooks and CI."""

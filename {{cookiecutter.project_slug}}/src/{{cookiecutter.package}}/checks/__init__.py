"""Checks before a commit, the same for people, hooks and CI: a module each, named as its check."""

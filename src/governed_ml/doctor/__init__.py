"""Check the setup of a repository, and say how to fix it."""

"""Whose code runs: the engine's and the team's, where it is, its digests, and what it may reach."""

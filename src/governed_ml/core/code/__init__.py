"""The engine's and the team's code: where it is, its digests, and what it may access."""

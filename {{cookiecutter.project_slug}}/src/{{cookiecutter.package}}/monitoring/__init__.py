"""Production is watched here: what a window of it looks like, and what the policy then asks for."""

"""What to do about a denial: its causes, steps, missing rows, and groups to merge."""

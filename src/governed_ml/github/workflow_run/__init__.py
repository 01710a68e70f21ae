"""A workflow run: the event that started it, and the output of its steps."""

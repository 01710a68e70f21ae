"""A workflow run: the event that started it, and what its steps leave behind."""

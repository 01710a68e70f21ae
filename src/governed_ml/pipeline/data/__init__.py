"""Where tables come from, and what their columns are."""

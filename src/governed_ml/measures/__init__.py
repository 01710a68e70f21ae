"""Statistics: pure functions and SQL aggregates."""

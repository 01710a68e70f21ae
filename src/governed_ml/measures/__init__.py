"""Statistical measures: pure functions, and SQL aggregates over tables."""

"""Statistics: pure functions from aggregates to numbers. Nothing here judges."""

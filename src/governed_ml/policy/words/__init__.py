"""Words for metrics that only some projects have."""

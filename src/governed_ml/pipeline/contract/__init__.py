"""The data contract: an expectation suite, judged over a table."""

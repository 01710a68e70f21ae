"""The data contract: an expectation suite, and its validation on a table."""

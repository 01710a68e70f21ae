"""All commands, one module per group."""

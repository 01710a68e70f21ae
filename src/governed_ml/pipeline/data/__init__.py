"""Sources of tables, and the kinds and roles of their columns."""

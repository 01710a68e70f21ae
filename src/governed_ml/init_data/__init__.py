"""`governance init-data`: draft configuration and data contract from a table."""

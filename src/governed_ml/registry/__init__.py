"""Register, approve, promote, roll back, load; signing; reconciliation."""

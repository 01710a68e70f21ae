"""Who approved a version, by which rules, and whether the approvals are still valid."""

"""Who approved a version, under which rules, and whether the approvals are still valid."""

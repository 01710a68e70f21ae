"""Who said yes to a version, by which rules, and whether that still holds."""

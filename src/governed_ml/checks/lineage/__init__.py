"""Check that code, data, configuration and evidence agree."""

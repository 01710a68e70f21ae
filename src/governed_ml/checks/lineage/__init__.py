"""Whether code, data, configuration and evidence agree."""

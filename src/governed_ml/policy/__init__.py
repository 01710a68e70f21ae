"""Policy and evidence in, decision out."""

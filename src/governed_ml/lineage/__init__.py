"""Lineage of a model: read, draw and verify its records, reproduce it, emit OpenLineage events."""

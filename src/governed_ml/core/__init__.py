"""Basics of the engine: files, digests, problems, configuration, evidence, tables and git."""

"""Files, digests, problems, configuration, evidence, tables, the repository, the team's code."""

"""Run the team's code in child processes that only receive and return data."""

"""Compare what is installed and what this process runs with the lock file."""

"""Compare the installed packages, and the code that this process runs, with the lock file."""

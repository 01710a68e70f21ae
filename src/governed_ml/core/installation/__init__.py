"""What is installed and what this process runs: is it what the lock file asked for?"""

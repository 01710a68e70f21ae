"""What `evaluate` measures on the test rows, apart from leaks and robustness."""

"""What is released with a version: its files, signed, and loaded only after both were checked."""

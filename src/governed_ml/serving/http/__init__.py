"""What every request passes: its size, its token, its client's rate, and how refusals look."""

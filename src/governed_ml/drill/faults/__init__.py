"""The faults, grouped by what they damage."""

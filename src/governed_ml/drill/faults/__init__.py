"""The faults, by what they spoil."""

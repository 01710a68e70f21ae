"""The drill: plant known faults in a copy, and check that the right command catches each."""

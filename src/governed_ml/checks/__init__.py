"""What hooks and CI look for."""

"""What is measured of the rows of a window: performance, and fairness between groups."""

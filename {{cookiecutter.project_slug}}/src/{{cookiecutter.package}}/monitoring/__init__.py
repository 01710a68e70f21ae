"""Watch: a window of production is measured and judged, and what is due is asked for."""

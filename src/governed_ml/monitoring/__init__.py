"""Monitoring of production: read a window of rows, measure it, judge it, record it."""

"""What the champion answered, written before it is sent, and read by monitoring.

A writer appends lines of JSON to a file of its own (a segment), which becomes a Parquet file later.
"""

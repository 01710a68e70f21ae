"""Read the bytes of a table's file: packed files, encodings, delimiters, faults, left-out rows."""

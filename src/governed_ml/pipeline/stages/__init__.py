"""One module per stage: read declared inputs, measure, write evidence."""

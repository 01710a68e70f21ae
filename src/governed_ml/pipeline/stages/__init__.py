"""The stages, one module each: read declared inputs, measure, write evidence."""

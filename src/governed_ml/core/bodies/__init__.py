"""Parts of evidence bodies that other modules build on."""

"""The one page for people."""

"""The prediction log as a batch: its files, the champion's rows in it, and their attributes."""

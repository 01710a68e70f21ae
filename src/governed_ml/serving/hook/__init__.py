"""`governance hook`: whether a version may be deployed, asked over HTTP by other tools."""

"""Windows of production: read, measured, judged, recorded."""

"""The stages of the pipeline, and the modules that they share."""

"""The files that a project gets from the template, the engine's pin, and how both are updated."""

"""The service itself: its routes, what happens to a request, and the process that runs it."""

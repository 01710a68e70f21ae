"""The rows of a request: read as `predict` reads a file, judged by the contract, and described."""

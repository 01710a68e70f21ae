"""The service that answers with the champion over HTTP, and the approval hook beside it."""

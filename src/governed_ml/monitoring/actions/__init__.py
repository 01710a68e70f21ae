"""What a window asks for: an issue, a retraining, a rollback."""

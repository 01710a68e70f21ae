"""Actions that a window may require: an issue, a retraining, a rollback."""

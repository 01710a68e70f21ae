"""The team's code: where the table comes from, the features, and the training."""

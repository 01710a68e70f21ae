"""Retraining: run the pipeline on new data, compare with the champion, open a pull request."""

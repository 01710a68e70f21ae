"""The commands around a model in production."""

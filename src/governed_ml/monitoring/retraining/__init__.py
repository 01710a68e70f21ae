"""The pipeline on new data, champion against challenger, a pull request."""

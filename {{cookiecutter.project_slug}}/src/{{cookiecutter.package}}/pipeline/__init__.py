"""The line: one module per DVC stage, named as in `dvc.yaml`."""

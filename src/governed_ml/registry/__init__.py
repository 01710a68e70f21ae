"""The model registry: register, approve, promote, roll back, load, sign, and reconcile versions."""

"""The alerts about the service and its model, as files for Prometheus and Alertmanager."""

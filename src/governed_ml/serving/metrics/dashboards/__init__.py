"""The dashboard of the service and its model, as a file for Grafana."""

"""What the service says of itself to Prometheus, and the alerts and panels made from that."""

"""The configuration of production: monitoring, serving, and the policy for both."""

"""The engine: it measures, judges, keeps the ledger and the registry, monitors and serves."""

"""The models that the service answers with: which ones the ledger allows, loaded and verified."""

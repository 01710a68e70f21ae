"""What the ledger records of production: windows of monitoring, and the steps of a canary."""

"""The ledger: its events and their chain, storage in git, the remote, signatures, verification."""

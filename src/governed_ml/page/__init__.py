"""The page for people: one HTML file that shows decision, evidence and ledger."""

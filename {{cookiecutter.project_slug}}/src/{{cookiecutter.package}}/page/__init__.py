"""The page for people: it reads records and judges nothing."""

"""Canary and shadow: who is answered by which version, and how a canary is judged."""

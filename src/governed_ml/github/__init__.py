"""GitHub: settings, preflight, reviews, policy diff, pull requests, workflow output."""

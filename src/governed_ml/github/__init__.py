"""Settings, preflight, reviews, policy diff, workflow output."""

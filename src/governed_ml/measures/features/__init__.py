"""Facts about single features: what they are, and which encoded columns they become."""

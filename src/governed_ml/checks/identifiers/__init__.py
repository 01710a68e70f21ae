"""Find direct identifiers of people, and sensitive attributes that are used as features."""

"""Judge evidence by the policy: limits, expressions, waivers, risk score, decision."""

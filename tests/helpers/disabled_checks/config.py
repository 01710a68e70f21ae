"""Edits that break a part of what catches a change of the configuration."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "edited-params": [
        (
            "checks.config",
            "    if not (base / PARAMS).is_file():\n        return\n",
            "    if base:\n        return\n",
        ),
    ],
    "loose-member": [
        ("checks.config", "if not (own or every or name in names):", "if not own:"),
        ("checks.config", "if today > waiver.expires:", "if today is None:"),
        ("checks.config", "for line in loosened(base, params):", "for line in ():"),
        ("checks.config", "one = params if own else", "one = params if path else"),
        ("checks.config", "require_sound(one)", "pass"),
        (
            "checks.config",
            "[*_composed(base, params), *_members(base, params, today, set(names))]",
            "[*_composed(base, params)]",
        ),
        ("checks.config", 'if one.kind == "loosened"', "if not one.kind"),
        (
            "policy.loosening",
            'elif why := weaker_rule(now, rule, "the base"):',
            'elif why := "":',
        ),
    ],
    "torn-conf": [
        ("checks.config", "        return [_broken(base, problem)]\n", "        return []\n"),
    ],
}

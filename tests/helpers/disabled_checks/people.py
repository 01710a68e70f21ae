"""Edits that break a part of what catches identifiers of people."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "pii": [
        ("checks.identifiers.pii", "if not allowed(", "if not name and not allowed("),
        ("checks.identifiers.detection", '    yield "e-mail address", EMAIL, _email\n', ""),
        ("checks.identifiers.detection", '    yield "IBAN", IBAN, _iban\n', ""),
        ("checks.identifiers.detection", '    yield "payment card", CARD, _card\n', ""),
        ("checks.identifiers.detection", '    yield "phone number", PHONE, _international\n', ""),
        ("checks.identifiers.detection", '    yield "phone number", AMERICAN, _american\n', ""),
        (
            "checks.identifiers.detection",
            "    if PHONE_WORDS.search(told):\n",
            "    if not told:\n",
        ),
        ("checks.identifiers.detection", '    yield "IP address", IPV4, _ip\n', ""),
        ("checks.identifiers.detection", '    yield "IP address", IPV6, _ip\n', ""),
        (
            "checks.identifiers.detection",
            "    for one in national_ids.IDS:\n",
            "    for one in ():\n",
        ),
        (
            "checks.identifiers.detection",
            "        if not one.words or national_ids.words(one).search(told):\n",
            "        if not one.words:\n",
        ),
        (
            "checks.identifiers.detection",
            "        if not one.words or national_ids.words(one).search(told):\n",
            "        if one.words and national_ids.words(one).search(told):\n",
        ),
        (
            "checks.identifiers.detection",
            'match[0] if match[0][0] == "+" else f"+{match[0][2:]}"',
            "match[0]",
        ),
        ("checks.identifiers.pii", 'lines[0] if DELIMITER.search(lines[0]) else ""', '""'),
        ("checks.identifiers.pii", 'ESCAPES.sub("  ", whole).split', "whole.split"),
        (
            "checks.identifiers.national_ids",
            '    ("Italian codice fiscale",',
            '    # ("Italian codice fiscale",',
        ),
        ("checks.identifiers.national_ids", '    ("Dutch BSN",', '    # ("Dutch BSN",'),
        ("checks.identifiers.national_ids", '    ("NHS number",', '    # ("NHS number",'),
        ("checks.identifiers.national_ids", '    ("Aadhaar number",', '    # ("Aadhaar number",'),
    ],
    "pii-column": [
        ("checks.identifiers.pii_columns", "if len(hits) >= SHARE", "if not hits and SHARE"),
        ("checks.identifiers.pii_columns", 'if kind in ("FLOAT", "DOUBLE"):', "if not kind:"),
        ("checks.identifiers.pii_columns", 'about = CAMEL.sub(" ", name)', 'about = ""'),
        ("checks.identifiers.pii_columns", 'plain = ("DATE",', 'plain = ("BIGINT", "DATE",'),
        ("checks.identifiers.pii", "found += pii_columns.findings(base)", "found += []"),
        (
            "checks.identifiers.pii",
            "if any(name.startswith(DATA) for name in names):",
            "if not names:",
        ),
    ],
    "pii-feature": [
        ("checks.identifiers.pii", "found += pii_features.findings(base)", "found += []"),
        (
            "checks.identifiers.pii_features",
            'if name not in roles | set(data.get("sensitive") or {})',
            "if name is data",
        ),
        (
            "checks.identifiers.pii_features",
            "if name.casefold() in features",
            "if name in features",
        ),
        ("checks.identifiers.pii_features", ', ("proxies", proxies)):', ",):"),
        (
            "checks.identifiers.pii_features",
            '(("sensitive", list(data.get("sensitive") or {})), ("proxies", proxies))',
            '(("proxies", proxies),)',
        ),
    ],
}

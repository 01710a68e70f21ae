"""Edits that break a part of what catches data in git."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "data-in-git": [
        (
            "checks.files.data_in_git",
            "for name, why in found]",
            "for name, why in found if not name]",
        ),
        (
            "checks.files.data_in_git",
            "    if name.startswith(FOLDERS) and not own:\n",
            "    if not name:\n",
        ),
        ("checks.files.data_in_git", "    if known:\n", "    if not data:\n"),
        ("checks.files.data_in_git", "    if len(data) > largest:\n", "    if not name:\n"),
        ("checks.files.data_in_git", '_webp(data) else "it is binary"', 'data else "it is binary"'),
        (
            "checks.files.data_in_git",
            'lines {table[1]}" if table else None',
            'lines {table[1]}" if not written else None',
        ),
        (
            "checks.files.data_in_git",
            "        if data[place : place + len(mark)] == mark and",
            "        if not data and",
        ),
        ("checks.files.data_in_git", '    (0, b"PAR1", "a Parquet table"),\n', ""),
        ("checks.files.data_in_git", '    (0, b"\\x80\\x04", "a pickle"),\n', ""),
        ("checks.files.data_in_git", "    if data[0] == 8 and", "    if not data and"),
        ("checks.files.data_in_git", '    if b"PK\\x05\\x06" in data[-1024:]', "    if not data"),
        (
            "checks.files.data_in_git",
            '    return "a pickle" if last[0].name',
            '    return "a pickle" if not data and last[0].name',
        ),
        (
            "checks.files.data_in_git",
            "for word, name in WORDS if beginning",
            "for word, name in () if beginning",
        ),
        (
            "checks.files.data_in_git",
            'own = path.name in KEPT or path.suffix == ".dvc"',
            "own = path.name in KEPT",
        ),
        (
            "checks.files.data_in_git",
            "    if name in LOCKS and data.startswith(start):\n",
            "    if name in LOCKS:\n",
        ),
        (
            "checks.files.tabular",
            "longest = _longest([one.count(mark) for one in bare])",
            "longest = 0",
        ),
        ("checks.files.tabular", '    ";": "semicolons",\n', ""),
        ("checks.files.tabular", '    "~": "tildes",\n', ""),
        ("checks.files.tabular", '    "^": "carets",\n', ""),
        ("checks.files.tabular", "_longest([n if n > 1 else 0 for n in keyed])", "0"),
        ("checks.files.tabular", "len(LITERALS.findall(line))", "0"),
        ("checks.files.tabular", 'QUOTED.sub("q", line)', "line"),
        ("checks.files.tabular", "_longest([_numbers(line) for line in lines])", "0"),
        ("checks.files.tabular", "_longest([_record(line) for line in lines])", "0"),
        (
            "checks.files.tabular",
            "found = max(found, _in_json(text, fewest))",
            "found = max(found, found)",
        ),
        (
            "checks.files.tabular",
            "islice(ASSIGNED.finditer(stripped), 50)",
            "islice(ASSIGNED.finditer(stripped), 0)",
        ),
        ("checks.files.tabular", "    if isinstance(part, str):\n", "    if part is None:\n"),
        (
            "checks.files.tabular",
            "return len(part)  # as written by pandas",
            "return 0  # as written by pandas",
        ),
        ("checks.files.tabular", "_most(YAML, text)", "0"),
        ("checks.files.tabular", 'text.count("<tr")', "0"),
        ("checks.files.tabular", "_most(TAG, text)", "0"),
        ("checks.files.tabular", "    if BASE64.fullmatch(text):\n", "    if not text:\n"),
        ("checks.files.texts", '"utf-16" if data.startswith(WIDE) else "utf-8-sig"', '"utf-8-sig"'),
    ],
}

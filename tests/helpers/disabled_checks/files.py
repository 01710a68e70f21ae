"""Edits that break a part of what catches a file that must not be committed so."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "generated-file": [
        ("scaffold.manifest", "not in accepted:", "not in [*accepted, digest]:"),
        ("scaffold.manifest", "elif own != hook:", "elif own is hook:"),
        (
            "scaffold.manifest",
            "taken = sorted(called & set(RESERVED_NAMES))",
            "taken = sorted(set())",
        ),
        ("scaffold.dvc_yaml", "if _plain(own.get(key)) != _plain(wanted.get(key))", "if not key"),
    ],
    "notebook": [
        ("checks.files.notebooks", 'if name.lower().endswith(".ipynb"):', "if not name:"),
        ("checks.files.notebooks", "name.lower().endswith", "name.endswith"),
        ("checks.files.notebooks", 'if cell.get("outputs"):', "if not cell:"),
        (
            "checks.files.notebooks",
            "if any(count is not None for count in counts)",
            "if not counts",
        ),
        ("checks.files.notebooks", ', cell.get("prompt_number"))', ", None)"),
        ("checks.files.notebooks", "    if keeps or _keeps(whole):\n", "    if keeps is whole:\n"),
        ("checks.files.notebooks", "    if keeps or _keeps(whole):\n", "    if keeps:\n"),
        ("checks.files.notebooks", ' or KEEPS in marks.get("tags", [])', ""),
        ("checks.files.notebooks", "if widgets else None", "if not whole else None"),
        ("checks.files.notebooks", 'whole.get("worksheets") or [whole]', "[whole]"),
        (
            "checks.files.notebooks",
            'return "it is not a readable notebook", "save it again with Jupyter, or remove it"',
            "return None",
        ),
    ],
    "secret": [
        ("checks.files.secrets", "found.append(CheckFinding(name, reason, FIX))", "found += []"),
        ("checks.files.secrets", "    return copy\n", "    return path\n"),
        ("checks.files.secrets", "for eager in (False, True):", "for eager in ():"),
        ("checks.files.secrets", "(digests and one.type in ENTROPY)", "digests"),
        ("checks.files.secrets", "plain if digests else plugins", "plain"),
        ("checks.files.secrets", '"is_non_text_file", ', ""),
        ("checks.files.secrets", '"is_lock_file", ', ""),
        ("checks.files.secrets", ', "is_swagger_file")', ")"),
    ],
    "unclean-file": [
        ("checks.files.hygiene", "    if not failed:\n", "    if failed:\n"),
        (
            "checks.files.hygiene",
            '    Tool("trailing_whitespace_fixer",',
            '    # Tool("trailing_whitespace_fixer",',
        ),
        (
            "checks.files.hygiene",
            '    Tool("end_of_file_fixer",',
            '    # Tool("end_of_file_fixer",',
        ),
        (
            "checks.files.hygiene",
            '    Tool("mixed_line_ending",',
            '    # Tool("mixed_line_ending",',
        ),
        (
            "checks.files.hygiene",
            '    Tool("check_merge_conflict",',
            '    # Tool("check_merge_conflict",',
        ),
        (
            "checks.files.hygiene",
            '    Tool("detect_private_key",',
            '    # Tool("detect_private_key",',
        ),
        (
            "checks.files.hygiene",
            '    Tool("check_case_conflict",',
            '    # Tool("check_case_conflict",',
        ),
        ("checks.files.hygiene", '    Tool("check_yaml",', '    # Tool("check_yaml",'),
        ("checks.files.hygiene", '    Tool("check_json",', '    # Tool("check_json",'),
        ("checks.files.hygiene", '    Tool("check_toml",', '    # Tool("check_toml",'),
        ("checks.files.hygiene", "    return found + [one for", "    return [one for"),
    ],
    "removed-file": [
        ("checks.files.removed", "if gone else ()", "if not gone else ()"),
        ("checks.files.removed", 'WHOLE = ("scaffold", ', "WHOLE = ("),
        ("checks.files.removed", '"config", ', ""),
        ("checks.files.removed", ', "lineage")', ")"),
        ("checks.files.removed", "diff-filter=D", "diff-filter=A"),
    ],
}

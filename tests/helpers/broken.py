"""Edits of the template's code: each breaks one part of a check, so that a fault gets through."""

from __future__ import annotations

BROKEN: dict[str, list[tuple[str, str, str]]] = {  # fault → (file, code, code instead), …
    "schema": [
        ("pipeline/validate.py", "if not one.success]", "if one.success is None]"),
    ],
    "nulls": [
        ("pipeline/outcomes.py", 'float(one["kwargs"].get("mostly", 1.0))', "0.0"),
    ],
    "drift": [
        ("pipeline/drift.py", "Metric(value=index, n", "Metric(value=index and 0.0, n"),
    ],
    "bias": [
        ("governance/rules.py", "sizes = range(1,", "sizes = range(2,"),
    ],
    "subgroup": [
        ("governance/rules.py", "range(1, len(self.attributes) + 1)", "range(1, 2)"),
    ],
    "proxy": [
        ("measures/proxies.py", "Metric(value=score,", "Metric(value=0.5,"),
    ],
    "leak": [
        ("measures/leaks.py", "return max(area, 1 - area)\n\n\ndef exp", "return 0.5\n\n\ndef exp"),
    ],
    "missing-evidence": [
        (
            "governance/policy.py",
            'return Answer("insufficient", found, absent=True)\n    metric',
            'return Answer("pass", found, absent=True)\n    metric',
        ),
    ],
    "stale-evidence": [
        ("governance/gate.py", "if cache[path] != digest:", "if not digest:"),
    ],
    "nan-evidence": [
        ("evidence.py", "value: FiniteFloat | None\n    lower", "value: float | None\n    lower"),
    ],
    "expired-waiver": [
        ("governance/policy.py", "if today > waiver.expires:", "if today is None:"),
    ],
    "forged-lock": [
        (
            "governance/measured.py",
            "            require_same(gate, claimed, found)\n",
            "            require_same(gate, found, found)\n",
        ),
    ],
    "generated-file": [
        ("scaffold/manifest.py", "not in accepted:", "not in [*accepted, digest]:"),
        ("scaffold/manifest.py", "elif own != hook:", "elif own is hook:"),
        ("scaffold/manifest.py", "taken = sorted(called & set(REQUIRED))", "taken = sorted(set())"),
        ("scaffold/stages.py", "if _plain(own.get(key)) != _plain(wanted.get(key))", "if not key"),
    ],
    "data-in-git": [
        (
            "checks/data_in_git.py",
            "for name, why in found]",
            "for name, why in found if not name]",
        ),
        (
            "checks/data_in_git.py",
            "    if name.startswith(FOLDERS) and not own:\n",
            "    if not name:\n",
        ),
        ("checks/data_in_git.py", "    if known:\n", "    if not data:\n"),
        ("checks/data_in_git.py", "    if len(data) > largest:\n", "    if not name:\n"),
        ("checks/data_in_git.py", '_webp(data) else "it is binary"', 'data else "it is binary"'),
        (
            "checks/data_in_git.py",
            'lines {table[1]}" if table else None',
            'lines {table[1]}" if not written else None',
        ),
        (
            "checks/data_in_git.py",
            "        if data[place : place + len(mark)] == mark and",
            "        if not data and",
        ),
        ("checks/data_in_git.py", '    (0, b"PAR1", "a Parquet table"),\n', ""),
        ("checks/data_in_git.py", '    (0, b"\\x80\\x04", "a pickle"),\n', ""),
        ("checks/data_in_git.py", "    if data[0] == 8 and", "    if not data and"),
        ("checks/data_in_git.py", '    if b"PK\\x05\\x06" in data[-1024:]', "    if not data"),
        (
            "checks/data_in_git.py",
            '    return "a pickle" if last[0].name',
            '    return "a pickle" if not data and last[0].name',
        ),
        (
            "checks/data_in_git.py",
            "for word, name in WORDS if beginning",
            "for word, name in () if beginning",
        ),
        (
            "checks/data_in_git.py",
            'own = path.name in KEPT or path.suffix == ".dvc"',
            "own = path.name in KEPT",
        ),
        (
            "checks/data_in_git.py",
            "    if name in LOCKS and data.startswith(start):\n",
            "    if name in LOCKS:\n",
        ),
        (
            "checks/tabular.py",
            "longest = _longest([one.count(mark) for one in bare])",
            "longest = 0",
        ),
        ("checks/tabular.py", '    ";": "semicolons",\n', ""),
        ("checks/tabular.py", '    "~": "tildes",\n', ""),
        ("checks/tabular.py", '    "^": "carets",\n', ""),
        ("checks/tabular.py", "_longest([n if n > 1 else 0 for n in keyed])", "0"),
        ("checks/tabular.py", "len(LITERALS.findall(line))", "0"),
        ("checks/tabular.py", 'QUOTED.sub("q", line)', "line"),
        ("checks/tabular.py", "_longest([_numbers(line) for line in lines])", "0"),
        ("checks/tabular.py", "_longest([_record(line) for line in lines])", "0"),
        (
            "checks/tabular.py",
            "found = max(found, _in_json(text, fewest))",
            "found = max(found, found)",
        ),
        (
            "checks/tabular.py",
            "islice(ASSIGNED.finditer(stripped), 50)",
            "islice(ASSIGNED.finditer(stripped), 0)",
        ),
        ("checks/tabular.py", "    if isinstance(part, str):\n", "    if part is None:\n"),
        ("checks/tabular.py", "return len(part)  # pandas", "return 0  # pandas"),
        ("checks/tabular.py", "_most(YAML, text)", "0"),
        ("checks/tabular.py", 'text.count("<tr")', "0"),
        ("checks/tabular.py", "_most(TAG, text)", "0"),
        ("checks/tabular.py", "    if BASE64.fullmatch(text):\n", "    if not text:\n"),
        ("checks/texts.py", '"utf-16" if data.startswith(WIDE) else "utf-8-sig"', '"utf-8-sig"'),
    ],
    "notebook": [
        ("checks/notebooks.py", 'if name.lower().endswith(".ipynb"):', "if not name:"),
        ("checks/notebooks.py", "name.lower().endswith", "name.endswith"),
        ("checks/notebooks.py", 'if cell.get("outputs"):', "if not cell:"),
        ("checks/notebooks.py", "if any(count is not None for count in counts)", "if not counts"),
        ("checks/notebooks.py", ', cell.get("prompt_number"))', ", None)"),
        ("checks/notebooks.py", "    if keeps or _keeps(whole):\n", "    if keeps is whole:\n"),
        ("checks/notebooks.py", "    if keeps or _keeps(whole):\n", "    if keeps:\n"),
        ("checks/notebooks.py", ' or KEEPS in marks.get("tags", [])', ""),
        ("checks/notebooks.py", "if widgets else None", "if not whole else None"),
        ("checks/notebooks.py", 'whole.get("worksheets") or [whole]', "[whole]"),
        (
            "checks/notebooks.py",
            'return "is no notebook that can be read", "save it anew with Jupyter, or take it out"',
            "return None",
        ),
    ],
    "silent-workflow": [
        ("checks/workflows.py", "        if silent:\n", "        if not part:\n"),
        (
            "checks/workflows.py",
            'if part.get("continue-on-error", False) is not False:',
            "if not part:",
        ),
        ("checks/workflows.py", '        if shell != "bash":\n', "        if not part:\n"),
        (
            "checks/workflows.py",
            'part.get("defaults", {}).get("run", {}).get("shell", "bash"))',
            '"bash")',
        ),
        ("checks/workflows.py", "elif not COMMIT.fullmatch(action):", "elif not action:"),
        (
            "checks/workflows.py",
            'elif not VERSION.fullmatch(lines.get(action, "")):',
            "elif not action:",
        ),
        (
            "checks/workflows.py",
            'if image and image != "Dockerfile" and not IMAGE.fullmatch(str(image)):',
            "if image is IMAGE:",
        ),
        (
            "checks/workflows.py",
            "            yield from _image(action)\n",
            "            continue\n",
        ),
        ("checks/workflows.py", '(job.get("container"), *', "(*"),
        ("checks/workflows.py", ', *(job.get("services") or {}).values())', ",)"),
        (
            "checks/workflows.py",
            'yield from _image(whole.get("runs", {}).get("image"))',
            "yield from ()",
        ),
        ("checks/workflows.py", "if event in UNSAFE or", "if"),
        ("checks/workflows.py", '"pull_request_target", ', ""),
        ("checks/workflows.py", '"workflow_run", ', ""),
        ("checks/workflows.py", ', "issue_comment")', ")"),
        ("checks/workflows.py", ' or event == "no event at all":', ":"),
        (
            "checks/workflows.py",
            'if whole.get("defaults", {}).get("run", {}).get("shell") != "bash":',
            "if not whole:",
        ),
        ("checks/workflows.py", 'if whole.get("permissions") != {}:', "if not whole:"),
        ("checks/workflows.py", 'if SECRET.search(str(whole.get("env", ""))):', "if not whole:"),
        ("checks/workflows.py", 'if not isinstance(job.get("permissions"), dict):', "if not job:"),
        ("checks/workflows.py", 'if job.get("secrets") == "inherit":', "if not job:"),
        (
            "checks/workflows.py",
            'if SECRET.search(str(job)) and "environment" not in job:',
            "if not job:",
        ),
        ("checks/workflows.py", 'if SECRET.search(str(whole["runs"])):', "if not whole:"),
        (
            "checks/workflows.py",
            'if is_action and "run" in part and "shell" not in part:',
            "if not part:",
        ),
        ("checks/workflows.py", "(?:(?:/\\S*/)?true\\b|", "(?:"),
        ("checks/workflows.py", "|:(?=[\\s)]|$)", ""),
        ("checks/workflows.py", "|exit 0|(?:echo", "|(?:echo"),
        ("checks/workflows.py", "|(?:echo|printf)\\b", ""),
        ("checks/workflows.py", "set \\+[a-z]*e|", ""),
        ("checks/workflows.py", "set \\+o (?:errexit|pipefail)|", ""),
        ("checks/workflows.py", ";\\s*(?:true\\b|exit 0)|", ""),
        ("checks/workflows.py", "|[^&>]&\\s*$", ""),
        (
            "checks/workflows.py",
            '        yield f"is no YAML ({first_line(error, 120)})", "mend it"\n',
            "",
        ),
        ("checks/workflows.py", '        yield "is empty", "write it, or take it out"\n', ""),
        ("checks/workflows.py", "        yield (\n", "        _ = (\n"),
        ("checks/workflows.py", '    "/.github/workflows/*.yml",\n', ""),
        ("checks/workflows.py", '    "/.github/workflows/*.yaml",\n', ""),
        ("checks/workflows.py", '    "*/action.yml",  #', "    #"),
        ("checks/workflows.py", '    "*/action.yaml",\n', ""),
    ],
    "pii": [
        ("checks/pii.py", "if not allowed(", "if not name and not allowed("),
        ("checks/identifiers.py", '    yield "e-mail address", EMAIL, _email\n', ""),
        ("checks/identifiers.py", '    yield "IBAN", IBAN, _iban\n', ""),
        ("checks/identifiers.py", '    yield "payment card", CARD, _card\n', ""),
        ("checks/identifiers.py", '    yield "phone number", PHONE, _international\n', ""),
        ("checks/identifiers.py", '    yield "phone number", AMERICAN, _american\n', ""),
        ("checks/identifiers.py", "    if PHONE_WORDS.search(told):\n", "    if not told:\n"),
        ("checks/identifiers.py", '    yield "IP address", IPV4, _ip\n', ""),
        ("checks/identifiers.py", '    yield "IP address", IPV6, _ip\n', ""),
        ("checks/identifiers.py", "    for one in national_ids.IDS:\n", "    for one in ():\n"),
        (
            "checks/identifiers.py",
            "        if not one.words or national_ids.words(one).search(told):\n",
            "        if not one.words:\n",
        ),
        (
            "checks/identifiers.py",
            "        if not one.words or national_ids.words(one).search(told):\n",
            "        if one.words and national_ids.words(one).search(told):\n",
        ),
        (
            "checks/identifiers.py",
            'match[0] if match[0][0] == "+" else f"+{match[0][2:]}"',
            "match[0]",
        ),
        ("checks/pii.py", 'lines[0] if DELIMITER.search(lines[0]) else ""', '""'),
        ("checks/pii.py", 'ESCAPES.sub("  ", whole).split', "whole.split"),
        (
            "checks/national_ids.py",
            '    ("Italian codice fiscale",',
            '    # ("Italian codice fiscale",',
        ),
        ("checks/national_ids.py", '    ("Dutch BSN",', '    # ("Dutch BSN",'),
        ("checks/national_ids.py", '    ("NHS number",', '    # ("NHS number",'),
        ("checks/national_ids.py", '    ("Aadhaar number",', '    # ("Aadhaar number",'),
    ],
    "pii-column": [
        ("checks/pii_columns.py", "if len(hits) >= SHARE", "if not hits and SHARE"),
        ("checks/pii_columns.py", 'if kind in ("FLOAT", "DOUBLE"):', "if not kind:"),
        ("checks/pii_columns.py", 'about = CAMEL.sub(" ", name)', 'about = ""'),
        ("checks/pii_columns.py", 'plain = ("DATE",', 'plain = ("BIGINT", "DATE",'),
        ("checks/pii.py", "found += pii_columns.check(base)", "found += []"),
        ("checks/pii.py", "if any(name.startswith(DATA) for name in names):", "if not names:"),
    ],
    "edited-params": [
        (
            "checks/config.py",
            "    if not (base / PARAMS).is_file():\n        return\n",
            "    if base:\n        return\n",
        ),
    ],
    "frozen-stage": [
        ("checks/lineage.py", "        if stage.frozen:\n", "        if not name:\n"),
    ],
    "stale-lock": [
        ("checks/lineage.py", "elif md5 not in (None, out.md5):", "elif not path:"),
        ("checks/lineage.py", "            if md5 != dep.md5:\n", "            if not name:\n"),
        ("checks/lineage.py", "*_chain(state), ", ""),
        ("checks/lineage.py", "    found += [*_written(state), ", "    found += ["),
    ],
    "edited-evidence": [
        ("checks/lineage.py", "elif md5 not in (None, out.md5):", "elif not path:"),
        ("checks/lineage.py", "if md5 is None and not cached:", "if not path:"),
        (
            "checks/lineage.py",
            "elif not cached and LOCK in state.tracked and not state.has(path):",
            "elif not path:",
        ),
        (
            "checks/lineage.py",
            'if not any(path == one or path.startswith(f"{one}/") for one in touched):',
            "if not path:",
        ),
    ],
    "edited-ledger": [
        (
            "governance/chain.py",
            "event.previous == (GENESIS if before is None else before.event.digest())",
            "bool(event.previous)",
        ),
    ],
    "cut-ledger": [
        ("governance/ledger_check.py", 'return f"cut off', 'return "" and f"cut off'),
    ],
    "reordered-ledger": [
        ("governance/chain.py", "(event.sequence == number,", "(event.sequence > 0,"),
    ],
    "rewritten-ledger": [
        ("governance/ledger_check.py", "if here != anchor.commit:", "if not here:"),
    ],
    "emptied-ledger": [
        ("governance/ledger_check.py", 'return f"emptied', 'return "" and f"emptied'),
    ],
    "moved-alias": [
        ("governance/reconcile.py", "if ledgers != registrys:", "if alias is None:"),
    ],
    "forged-tag": [
        (
            "governance/reconcile.py",
            "            if tags.get(tag) != value\n        ]",
            "            if tag is None\n        ]",
        ),
    ],
    "replayed-approval": [
        (
            "governance/approvals.py",
            "if getattr(approval, name) != bound[name]:",
            "if name not in bound:",
        ),
    ],
    "tampered-model": [
        (
            "governance/signing.py",
            "    if not signature.is_file():\n",
            "    if signature:\n        return\n    if not signature.is_file():\n",
        ),
    ],
    "secret": [
        ("checks/secrets.py", "found.append(Finding(name, reason, MEND))", "found += []"),
        ("checks/secrets.py", "    return copy\n", "    return path\n"),
        ("checks/secrets.py", "for eager in (False, True):", "for eager in ():"),
        ("checks/secrets.py", "not (digests and one.type in ENTROPY)", "not digests"),
        ("checks/secrets.py", "plain if digests else plugins", "plain"),
        ("checks/secrets.py", '"is_non_text_file", ', ""),
        ("checks/secrets.py", '"is_lock_file", ', ""),
        ("checks/secrets.py", ', "is_swagger_file")', ")"),
    ],
    "unclean-file": [
        ("checks/hygiene.py", "    if not failed:\n", "    if failed:\n"),
        (
            "checks/hygiene.py",
            '    Tool("trailing_whitespace_fixer",',
            '    # Tool("trailing_whitespace_fixer",',
        ),
        ("checks/hygiene.py", '    Tool("end_of_file_fixer",', '    # Tool("end_of_file_fixer",'),
        ("checks/hygiene.py", '    Tool("mixed_line_ending",', '    # Tool("mixed_line_ending",'),
        (
            "checks/hygiene.py",
            '    Tool("check_merge_conflict",',
            '    # Tool("check_merge_conflict",',
        ),
        ("checks/hygiene.py", '    Tool("detect_private_key",', '    # Tool("detect_private_key",'),
        (
            "checks/hygiene.py",
            '    Tool("check_case_conflict",',
            '    # Tool("check_case_conflict",',
        ),
        ("checks/hygiene.py", '    Tool("check_yaml",', '    # Tool("check_yaml",'),
        ("checks/hygiene.py", '    Tool("check_json",', '    # Tool("check_json",'),
        ("checks/hygiene.py", '    Tool("check_toml",', '    # Tool("check_toml",'),
        ("checks/hygiene.py", "    return found + [one for", "    return [one for"),
    ],
    "removed-file": [
        ("checks/removed.py", "if gone else ()", "if not gone else ()"),
        ("checks/files/removed.py", 'WHOLE = ("scaffold", ', "WHOLE = ("),
        ("checks/removed.py", '"config", ', ""),
        ("checks/removed.py", ', "lineage")', ")"),
        ("checks/removed.py", "diff-filter=D", "diff-filter=A"),
    ],
    "pii-feature": [
        ("checks/pii.py", "found += pii_features.check(base)", "found += []"),
        (
            "checks/pii_features.py",
            'if name not in roles | set(data.get("sensitive") or {})',
            "if name is data",
        ),
        ("checks/pii_features.py", "if name.casefold() in features", "if name in features"),
        ("checks/pii_features.py", ', ("proxies", proxies)):', ",):"),
        ("checks/pii_features.py", '(("sensitive", list(data.get("sensitive") or {})), ', "("),
    ],
    "loose-member": [
        ("checks/config.py", "if not (own or every or name in names):", "if not own:"),
        ("checks/config.py", "if today > waiver.expires:", "if today is None:"),
        ("checks/config.py", "for line in loosened(base, params):", "for line in ():"),
        ("checks/config.py", "one = params if own else", "one = params if path else"),
        ("checks/config.py", "require_sound(one)", "pass"),
        (
            "checks/config.py",
            "[*_composed(base, params), *_members(base, params, today, set(names))]",
            "[*_composed(base, params)]",
        ),
        ("checks/config.py", 'if one.kind == "loosened"', "if not one.kind"),
        (
            "governance/policy_diff.py",
            'elif why := weaker_than(now, rule, "the base"):',
            'elif why := "":',
        ),
    ],
    "torn-conf": [
        ("checks/config.py", "        return [_broken(base, problem)]\n", "        return []\n"),
    ],
    "other-stage": [
        ("checks/lineage.py", "*plain, *_shape(state), ", "*plain, "),
        ("checks/lineage.py", "        require_plain(base)\n", "        pass\n"),
        ("checks/lineage.py", "            if now != then:\n", "            if not what:\n"),
        (
            "checks/lineage.py",
            '"dependencies": (set(asked.deps), {one.path for one in ran.deps}),\n            ',
            "",
        ),
        (
            "checks/lineage.py",
            '"outputs": (set(asked.outs), {one.path for one in ran.outs}),\n            ',
            "",
        ),
        ("checks/lineage.py", "        if asked.cmd != ran.cmd:\n", "        if not name:\n"),
        (
            "checks/lineage.py",
            "for name in state.asked.stages.keys() - state.lock.stages.keys():",
            "for name in ():",
        ),
        (
            "checks/lineage.py",
            "for name in state.lock.stages.keys() - state.asked.stages.keys():",
            "for name in ():",
        ),
        ("governance/measured.py", "        if command != wanted:\n", "        if not command:\n"),
    ],
    "unrun-change": [
        ("checks/lineage.py", "*_code(state), ", ""),
        ("checks/lineage.py", ", *_conf(state)]", "]"),
        ("checks/lineage.py", "*sources.changed(state), ", ""),
        ("checks/lineage.py", ", *sources.pointers(state)]", "]"),
        ("checks/lineage.py", "*_since(causes), ", ""),
        ("checks/environment.py", "    if not (base / LOCK).is_file():\n", "    if not base:\n"),
        ("checks/sources.py", "if here is not None and here != md5:", "if not here:"),
    ],
    "other-packages": [
        ("checks/lineage.py", ", *environment.check(base, state.evidence)]", "]"),
        ("checks/environment.py", "    yield from _asked(base, text)\n", ""),
        ("checks/environment.py", "*_recorded(text, evidence), ", ""),
        ("checks/environment.py", ", *_remembered(base, text, evidence))", ",)"),
        (
            "checks/environment.py",
            "if interpreter and interpreter.split() != python.split():",
            "if not gate:",
        ),
        (
            "checks/environment.py",
            "for name in _exchanged(before, text, needed):",
            "for name in ():",
        ),
        (
            "checks/environment.py",
            "if name in old and name not in named and old[name] != new.get(name):",
            "if not name:",
        ),
    ],
    "foreign-code": [
        (
            "closure.py",
            "    for folder in (PROJECT, PACKAGE.parent) if PROJECT else ():\n",
            "    for folder in ():\n",
        ),
    ],
    "lost-lock": [
        ("checks/lineage.py", "return plain + [Finding(path", "return plain and [Finding(path"),
    ],
    "locked-evidence": [
        ("checks/lineage.py", "list(_stale(state)) or ", ""),
        (
            "checks/lineage.py",
            "        if isinstance(found, str):\n            reason",
            "        if not found:\n            reason",
        ),
    ],
    "edited-decision": [
        ("checks/lineage.py", " or list(_decided(state))", ""),
        (
            "checks/lineage.py",
            "    for name, what in differences(old, new):\n",
            "    for name, what in ():\n",
        ),
    ],
    "shadow-module": [
        ("checks/stand_ins.py", "            if name in CUSTOM:\n", "            if not name:\n"),
        ("checks/stand_ins.py", "elif name in libraries or", "elif not name and"),
    ],
    "python-path": [
        ("core/installation/surroundings.py", "if environment.get(name):", "if not name:"),
    ],
    "site-hook": [
        ("core/installation/surroundings.py", "if path.name in names:", "if not names:"),
    ],
    "pth-file": [
        ("core/installation/surroundings.py", "and not _recorded(path)", "and not path"),
    ],
    "patched-engine": [
        ("core/installation/records.py", "if not unchanged:", "if not path:"),
    ],
    "added-module": [
        (
            "core/installation/records.py",
            "        if path not in known:\n            yield",
            "        if not path:\n            yield",
        ),
    ],
    "forged-lock-entry": [
        (
            "checks/lock_sources.py",
            "if registry and address and host not in",
            "if host is None and host in",
        ),
    ],
    "moved-pin": [
        ("checks/lock_sources.py", 'if "git" in one and not COMMIT', "if not one and not COMMIT"),
        ("checks/lock_sources.py", "        if uv.get(key):\n", "        if not key:\n"),
        ("checks/engine.py", "    if (base / SETTINGS).is_file():\n", "    if not base:\n"),
        ("checks/engine.py", "    if folder or not pinned:\n", "    if not who:\n"),
    ],
    "unpushed-data": [
        ("checks/pushed.py", "for one in status.new}", "for one in ()}"),
        ("checks/pushed.py", "for one in status.missing", "for one in ()"),
        (
            "checks/pushed.py",
            "        for name, mend in sorted(lost.items())\n",
            "        for name, mend in ()\n",
        ),
        (
            "checks/pushed.py",
            '    if not any(name == LOCK or name.endswith(".dvc") for name in tracked):\n',
            "    if tracked:\n",
        ),
    ],
    "empty-batch": [("monitoring/window.py", "if rows < limits.minimum_rows:", "if rows < 0:")],
    "stale-batch": [
        ("monitoring/window.py", "if stale and digest not in asked.known:", "if stale == 0:"),
    ],
    "lost-column": [
        (
            "monitoring/window.py",
            "for name in features if name in given.new.lost]",
            "for name in features if not name]",
        ),
    ],
    "drifted-batch": [
        ("monitoring/reference.py", "Metric(value=left, n=n,", "Metric(value=0.0, n=n,"),
    ],
    "group-shift": [("monitoring/levels.py", "    return len(row)\n", "    return len(row[:0])\n")],
    "unwatched": [
        ("governance/liveness.py", "if days <= limits.liveness_days:", "if days >= 0:"),
    ],
}

"""Edits of the engine's modules: each breaks one part of a check, so that a fault gets through."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
    "schema": [
        ("pipeline.stages.validate", "if not one.success]", "if one.success is None]"),
    ],
    "nulls": [
        ("pipeline.contract.outcomes", 'float(one["kwargs"].get("mostly", 1.0))', "0.0"),
    ],
    "drift": [
        ("pipeline.stages.drift", "Metric(value=index, n", "Metric(value=index and 0.0, n"),
    ],
    "bias": [
        ("policy.expected_rules", "sizes = range(1,", "sizes = range(2,"),
    ],
    "subgroup": [
        ("policy.expected_rules", "range(1, len(self.attributes) + 1)", "range(1, 2)"),
    ],
    "proxy": [
        ("measures.proxies", "Metric(value=score,", "Metric(value=0.5,"),
    ],
    "leak": [
        ("measures.leaks", "return max(area, 1 - area)\n\n\ndef exp", "return 0.5\n\n\ndef exp"),
    ],
    "missing-evidence": [
        (
            "policy.judge",
            'return RuleJudgement("insufficient", found, absent=True)\n    metric',
            'return RuleJudgement("pass", found, absent=True)\n    metric',
        ),
    ],
    "stale-evidence": [
        ("policy.gate", "if cache[path] != digest:", "if not digest:"),
    ],
    "nan-evidence": [
        (
            "core.evidence",
            "model_validate_json(path.read_bytes())",
            'model_validate_json(path.read_bytes().replace(b"NaN", b"0.0"))',
        ),
    ],
    "expired-waiver": [
        ("policy.judge", "if today > waiver.expires:", "if today is None:"),
    ],
    "forged-lock": [
        (
            "registry.remeasure.measured",
            "            require_same(gate, claimed, found)\n",
            "            require_same(gate, found, found)\n",
        ),
    ],
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
        ("checks.files.tabular", "return len(part)  # pandas", "return 0  # pandas"),
        ("checks.files.tabular", "_most(YAML, text)", "0"),
        ("checks.files.tabular", 'text.count("<tr")', "0"),
        ("checks.files.tabular", "_most(TAG, text)", "0"),
        ("checks.files.tabular", "    if BASE64.fullmatch(text):\n", "    if not text:\n"),
        ("checks.files.texts", '"utf-16" if data.startswith(WIDE) else "utf-8-sig"', '"utf-8-sig"'),
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
            'return "is no notebook that can be read", "save it anew with Jupyter, or take it out"',
            "return None",
        ),
    ],
    "silent-workflow": [
        ("checks.workflows", "        if silent:\n", "        if not part:\n"),
        (
            "checks.workflows",
            'if part.get("continue-on-error", False) is not False:',
            "if not part:",
        ),
        ("checks.workflows", '        if shell != "bash":\n', "        if not part:\n"),
        (
            "checks.workflows",
            'part.get("defaults", {}).get("run", {}).get("shell", "bash"))',
            '"bash")',
        ),
        ("checks.workflows", "elif not COMMIT.fullmatch(action):", "elif not action:"),
        (
            "checks.workflows",
            'elif not VERSION.fullmatch(lines.get(action, "")):',
            "elif not action:",
        ),
        (
            "checks.workflows",
            'if image and image != "Dockerfile" and not IMAGE.fullmatch(str(image)):',
            "if image is IMAGE:",
        ),
        (
            "checks.workflows",
            "            yield from _image(action)\n",
            "            continue\n",
        ),
        (
            "checks.workflows",
            '(job.get("container"), *(job.get("services") or {}).values())',
            '(*(job.get("services") or {}).values(),)',
        ),
        ("checks.workflows", ', *(job.get("services") or {}).values())', ",)"),
        (
            "checks.workflows",
            'yield from _image(whole.get("runs", {}).get("image"))',
            "yield from ()",
        ),
        ("checks.workflows", "if event in UNSAFE or", "if"),
        ("checks.workflows", '"pull_request_target", ', ""),
        ("checks.workflows", '"workflow_run", ', ""),
        ("checks.workflows", ', "issue_comment")', ")"),
        ("checks.workflows", ' or event == "no event at all":', ":"),
        (
            "checks.workflows",
            'if whole.get("defaults", {}).get("run", {}).get("shell") != "bash":',
            "if not whole:",
        ),
        ("checks.workflows", 'if whole.get("permissions") != {}:', "if not whole:"),
        ("checks.workflows", 'if SECRET.search(str(whole.get("env", ""))):', "if not whole:"),
        ("checks.workflows", 'if not isinstance(job.get("permissions"), dict):', "if not job:"),
        ("checks.workflows", 'if job.get("secrets") == "inherit":', "if not job:"),
        (
            "checks.workflows",
            'if SECRET.search(str(job)) and "environment" not in job:',
            "if not job:",
        ),
        ("checks.workflows", 'if SECRET.search(str(whole["runs"])):', "if not whole:"),
        (
            "checks.workflows",
            'if is_action and "run" in part and "shell" not in part:',
            "if not part:",
        ),
        ("checks.workflows", "(?:(?:/\\S*/)?true\\b|", "(?:"),
        ("checks.workflows", "|:(?=[\\s)]|$)", ""),
        ("checks.workflows", "|exit 0|(?:echo", "|(?:echo"),
        ("checks.workflows", "|(?:echo|printf)\\b", ""),
        ("checks.workflows", "set \\+[a-z]*e|", ""),
        ("checks.workflows", "set \\+o (?:errexit|pipefail)|", ""),
        ("checks.workflows", ";\\s*(?:true\\b|exit 0)|", ""),
        ("checks.workflows", "|[^&>]&\\s*$", ""),
        (
            "checks.workflows",
            '        yield f"is no YAML ({first_line(error, 120)})", "fix it"\n',
            "",
        ),
        ("checks.workflows", '        yield "is empty", "write it, or take it out"\n', ""),
        ("checks.workflows", "        yield (\n", "        _ = (\n"),
        ("checks.workflows", '    "/.github/workflows/*.yml",\n', ""),
        ("checks.workflows", '    "/.github/workflows/*.yaml",\n', ""),
        ("checks.workflows", '    "*/action.yml",  #', "    #"),
        ("checks.workflows", '    "*/action.yaml",\n', ""),
    ],
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
    "edited-params": [
        (
            "checks.config",
            "    if not (base / PARAMS).is_file():\n        return\n",
            "    if base:\n        return\n",
        ),
    ],
    "frozen-stage": [
        ("checks.lineage.agreement", "        if stage.frozen:\n", "        if not name:\n"),
    ],
    "stale-lock": [
        ("checks.lineage.agreement", "elif md5 not in (None, out.md5):", "elif not path:"),
        (
            "checks.lineage.agreement",
            "            if md5 != dep.md5:\n",
            "            if not name:\n",
        ),
        ("checks.lineage.agreement", "*_chain(state), ", ""),
        ("checks.lineage.agreement", "    found += [*_written(state), ", "    found += ["),
    ],
    "edited-evidence": [
        ("checks.lineage.agreement", "elif md5 not in (None, out.md5):", "elif not path:"),
        ("checks.lineage.agreement", "if md5 is None and not cached:", "if not path:"),
        (
            "checks.lineage.agreement",
            "elif not cached and LOCK in state.tracked and not state.has(path):",
            "elif not path:",
        ),
        (
            "checks.lineage.agreement",
            'if not any(path == one or path.startswith(f"{one}/") for one in touched):',
            "if not path:",
        ),
    ],
    "edited-ledger": [
        (
            "ledger.chain",
            "event.previous == (GENESIS if before is None else before.event.digest())",
            "bool(event.previous)",
        ),
    ],
    "cut-ledger": [
        ("ledger.verification", 'return f"cut off', 'return "" and f"cut off'),
    ],
    "reordered-ledger": [
        ("ledger.chain", "(event.sequence == number,", "(event.sequence > 0,"),
    ],
    "rewritten-ledger": [
        ("ledger.verification", "if here != anchor.commit:", "if not here:"),
    ],
    "emptied-ledger": [
        ("ledger.verification", 'return f"emptied', 'return "" and f"emptied'),
    ],
    "moved-alias": [
        ("registry.reconcile", "if ledgers != registrys:", "if alias is None:"),
    ],
    "forged-tag": [
        (
            "registry.reconcile",
            "            if tags.get(tag) != value\n        ]",
            "            if tag is None\n        ]",
        ),
    ],
    "replayed-approval": [
        (
            "registry.approval.approvals",
            "if getattr(approval, name) != bound.get(name):",
            "if name not in bound:",
        ),
    ],
    "tampered-model": [
        (
            "registry.release.signing",
            "    if not signature.is_file():\n",
            "    if signature:\n        return\n    if not signature.is_file():\n",
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
    "other-stage": [
        ("checks.lineage.agreement", "*plain, *_shape(state), ", "*plain, "),
        ("checks.lineage.agreement", "        require_plain(base)\n", "        pass\n"),
        ("checks.lineage.agreement", "            if now != then:\n", "            if not what:\n"),
        (
            "checks.lineage.agreement",
            '"dependencies": (set(asked.deps), {one.path for one in ran.deps}),\n            ',
            "",
        ),
        (
            "checks.lineage.agreement",
            '"outputs": (set(asked.outs), {one.path for one in ran.outs}),\n            ',
            "",
        ),
        (
            "checks.lineage.agreement",
            "        if asked.cmd != ran.cmd:\n",
            "        if not name:\n",
        ),
        (
            "checks.lineage.agreement",
            "for name in state.asked.stages.keys() - state.lock.stages.keys():",
            "for name in ():",
        ),
        (
            "checks.lineage.agreement",
            "for name in state.lock.stages.keys() - state.asked.stages.keys():",
            "for name in ():",
        ),
        (
            "registry.remeasure.measured",
            "        if command != wanted:\n",
            "        if not command:\n",
        ),
    ],
    "unrun-change": [
        ("checks.lineage.agreement", "*_code(state), ", ""),
        ("checks.lineage.agreement", ", *_conf(state)]", "]"),
        ("checks.lineage.agreement", "*sources.changed(state), ", ""),
        ("checks.lineage.agreement", ", *sources.pointers(state)]", "]"),
        ("checks.lineage.agreement", "*_since(causes), ", ""),
        (
            "checks.lineage.environment",
            "    if not (base / LOCK).is_file():\n",
            "    if not base:\n",
        ),
        ("checks.lineage.sources", "if here is not None and here != md5:", "if not here:"),
    ],
    "other-packages": [
        ("checks.lineage.agreement", ", *environment.check(base, state.evidence)]", "]"),
        ("checks.lineage.environment", "    yield from _asked(base, text)\n", ""),
        (
            "checks.lineage.environment",
            "(*_recorded(text, evidence), *_remembered(base, text, evidence))",
            "(*_remembered(base, text, evidence),)",
        ),
        ("checks.lineage.environment", ", *_remembered(base, text, evidence))", ",)"),
        (
            "checks.lineage.environment",
            "if interpreter and interpreter.split() != python.split():",
            "if not gate:",
        ),
        (
            "checks.lineage.environment",
            "for name in _exchanged(before, text, needed):",
            "for name in ():",
        ),
        (
            "checks.lineage.environment",
            "if name in old and name not in named and old[name] != new.get(name):",
            "if not name:",
        ),
    ],
    "foreign-code": [
        (
            "core.code.stage_code",
            "    for folder in (package.parent.parent, package.parent):\n",
            "    for folder in ():\n",
        ),
    ],
    "lost-lock": [
        (
            "checks.lineage.agreement",
            "return plain + [CheckFinding(path",
            "return plain and [CheckFinding(path",
        ),
    ],
    "locked-evidence": [
        ("checks.lineage.agreement", "list(_stale(state)) or ", ""),
        (
            "checks.lineage.agreement",
            "        if isinstance(found, str):\n            reason",
            "        if not found:\n            reason",
        ),
    ],
    "edited-decision": [
        ("checks.lineage.agreement", " or list(_decided(state))", ""),
        (
            "checks.lineage.agreement",
            "    for name, what in differences(old, new):\n",
            "    for name, what in ():\n",
        ),
    ],
    "shadow-module": [
        ("checks.stand_ins", "            if name in CUSTOM:\n", "            if not name:\n"),
        ("checks.stand_ins", "elif name in libraries or", "elif not name and"),
    ],
    "python-path": [
        ("core.installation.surroundings", "if environment.get(name):", "if not name:"),
    ],
    "site-hook": [
        ("core.installation.surroundings", "if path.name in names:", "if not names:"),
    ],
    "pth-file": [
        ("core.installation.surroundings", "and not _recorded(path, some)", "and not path"),
    ],
    "patched-engine": [
        ("core.installation.records", "if not unchanged:", "if not path:"),
    ],
    "added-module": [
        (
            "core.installation.records",
            "        if path not in known:\n            yield",
            "        if not path:\n            yield",
        ),
    ],
    "forged-lock-entry": [
        (
            "checks.lock_sources",
            "if registry and address and host not in",
            "if host is None and host in",
        ),
    ],
    "moved-pin": [
        ("checks.lock_sources", 'if "git" in one and not COMMIT', "if not one and not COMMIT"),
        ("checks.lock_sources", "        if uv.get(key):\n", "        if not key:\n"),
        ("checks.engine", "    if (base / SETTINGS).is_file():\n", "    if not base:\n"),
        ("checks.engine", "    if folder or not pinned:\n", "    if not who:\n"),
    ],
    "unpushed-data": [
        ("checks.pushed", "for one in status.new}", "for one in ()}"),
        ("checks.pushed", "for one in status.missing", "for one in ()"),
        ("checks.pushed", "in sorted(lost.items()):\n", "in ():\n"),
        ("checks.pushed", "    if LOCK not in tracked and not added:\n", "    if tracked:\n"),
    ],
    "empty-batch": [("monitoring.window", "if rows < limits.minimum_rows:", "if rows < 0:")],
    "stale-batch": [
        ("monitoring.window", "if stale and digest not in asked.known:", "if stale == 0:"),
    ],
    "lost-column": [
        (
            "monitoring.window",
            "for name in features if name in given.new.lost]",
            "for name in features if not name]",
        ),
    ],
    "drifted-batch": [
        ("monitoring.reference", "Metric(value=left, n=n,", "Metric(value=0.0, n=n,"),
    ],
    "group-shift": [("monitoring.levels", "    return len(row)\n", "    return len(row[:0])\n")],
    "unwatched": [
        ("ledger.liveness", "if days <= limits.liveness_days:", "if days >= 0:"),
    ],
}

"""Edits that break a part of what catches a workflow that hides a failure."""

from __future__ import annotations

DISABLED: dict[str, list[tuple[str, str, str]]] = {  # fault → (module, code, code instead), …
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
            '        yield f"it is not valid YAML ({first_line(error, 120)})", "fix it"\n',
            "",
        ),
        ("checks.workflows", '        yield "it is empty", "write it, or remove it"\n', ""),
        ("checks.workflows", "        yield (\n", "        _ = (\n"),
        ("checks.workflows", '    "/.github/workflows/*.yml",\n', ""),
        ("checks.workflows", '    "/.github/workflows/*.yaml",\n', ""),
        ("checks.workflows", '    "*/action.yml",  #', "    #"),
        ("checks.workflows", '    "*/action.yaml",\n', ""),
    ],
}

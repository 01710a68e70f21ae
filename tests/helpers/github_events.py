"""GitHub's event about a deployment protection rule, as GitHub's own description has it.

`github_events.json` is cut from @octokit/openapi-webhooks (generated/api.github.com.json, event
`deployment-protection-rule-requested`) by `cut_github_openapi.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
SECRET = "the webhook's secret"  # noqa: S105 - of tests


@cache
def schema() -> Json:
    """The JSON Schema of the event's body."""
    path = Path(__file__).with_name("github_events.json")
    return json.loads(path.read_text(encoding="utf-8"))


def least(part: Json) -> Any:
    """The smallest value that a part of the schema allows."""
    if "$ref" in part:
        whole: Any = schema()
        for name in part["$ref"].removeprefix("#/").split("/"):
            whole = whole[name]
        return least(whole)
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in part and "properties" not in part:
            return least(part[choice][0])
    if "enum" in part:
        return part["enum"][0]
    kind = part.get("type", "string")
    if isinstance(kind, list):
        return None if "null" in kind else least({**part, "type": kind[0]})
    formats = {"date-time": "2026-01-02T03:04:05Z", "uri": "https://api.github.com/x"}
    formats |= {"uri-template": "https://api.github.com/x", "email": "a@example.org"}
    plain = {"integer": 1, "number": 1.0, "boolean": False, "array": [], "string": "x"}
    plain |= {"null": None}
    if kind != "object":
        return formats.get(part.get("format", ""), plain[kind])
    return {name: least(part["properties"][name]) for name in part.get("required", [])}


def named(name: str, **values: Any) -> Json:
    """A value of a named schema with these parts."""
    return least({"$ref": f"#/components/schemas/{name}"}) | values


def asked_for(commit: str, *, run: int = 30433642, api: str, repository: str) -> Json:
    """The event of a run that wants to deploy a commit to `production`; it keeps to the schema."""
    from jsonschema import Draft202012Validator

    made = {
        "action": "requested",
        "environment": "production",
        "event": "push",
        "deployment_callback_url": (
            f"{api}/repos/{repository}/actions/runs/{run}/deployment_protection_rule"
        ),
        "deployment": named("deployment", sha=commit, ref="main", environment="production"),
        "pull_requests": [],
        "repository": named("repository-webhooks", full_name=repository),
        "installation": named("simple-installation", id=77),
        "sender": named("simple-user", login="ada"),
    }
    Draft202012Validator(schema()).validate(made)
    return made


def sent(event: Json, by: str = SECRET, **headers: str) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a delivery, as GitHub signs it with a secret."""
    body = json.dumps(event).encode()
    signed = hmac.new(by.encode(), body, hashlib.sha256).hexdigest()
    named_ = {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/123abc",
        "x-github-event": "deployment_protection_rule",
        "x-github-delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        "x-hub-signature-256": f"sha256={signed}",
    }
    return body, named_ | {name.replace("_", "-"): value for name, value in headers.items()}

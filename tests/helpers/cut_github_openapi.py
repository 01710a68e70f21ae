"""Cut GitHub's OpenAPI descriptions down to the operations and the event in use.

python tests/helpers/cut_github_openapi.py DESCRIPTION [EVENTS]

DESCRIPTION is generated/api.github.com.json of @octokit/openapi, EVENTS that of
@octokit/openapi-webhooks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "github_openapi.json"
EVENTS = Path(__file__).parent / "github_events.json"
EVENT = "deployment-protection-rule-requested"
OPERATIONS = {
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/orgs/{org}/teams/{team_slug}": ["get"],
    "/repos/{owner}/{repo}/actions/permissions": ["get", "put"],
    "/repos/{owner}/{repo}/actions/permissions/fork-pr-contributor-approval": ["get", "put"],
    "/repos/{owner}/{repo}/actions/permissions/workflow": ["get", "put"],
    "/repos/{owner}/{repo}/actions/runs/{run_id}": ["get"],
    "/repos/{owner}/{repo}/actions/runs/{run_id}/approvals": ["get"],
    "/repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule": ["post"],
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": ["post"],
    "/repos/{owner}/{repo}/branches/{branch}": ["get"],
    "/repos/{owner}/{repo}/codeowners/errors": ["get"],
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls": ["get"],
    "/repos/{owner}/{repo}/environments/{environment_name}": ["get", "put"],
    "/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies": [
        "get",
        "post",
    ],
    "/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies"
    "/{branch_policy_id}": ["delete"],
    "/repos/{owner}/{repo}/issues": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}": ["patch"],
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["post"],
    "/repos/{owner}/{repo}/pulls": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/{pull_number}": ["get", "patch"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews": ["get"],
    "/repos/{owner}/{repo}/rules/branches/{branch}": ["get"],
    "/repos/{owner}/{repo}/rulesets": ["get", "post"],
    "/repos/{owner}/{repo}/rulesets/{ruleset_id}": ["get", "put"],
    "/users/{username}": ["get"],
}
ENVIRONMENT = "/repos/{owner}/{repo}/environments/{environment_name}"
BYPASS = {"can_admins_bypass": {"type": "boolean"}}
"""GitHub tells and takes it, and its description does not have it (google/go-github#2725)."""
NEEDED = {"description": ""}  # of a response, by the specification
PROSE = ("description", "example", "examples", "summary", "externalDocs", "title")


def bare(node: Any, names: bool = False) -> Any:
    """A part without prose and extensions; with `names`, its keys are somebody's names."""
    if isinstance(node, list):
        return [bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: bare(value, key in ("properties", "responses"))
        for key, value in node.items()
        if names or not (key in PROSE or key.startswith("x-"))
    }
    for answer in kept.get("responses", {}).values():
        answer |= {} if "$ref" in answer else NEEDED
    return kept


def references(node: Any) -> set[str]:
    """Every `$ref` in a part."""
    if isinstance(node, list):
        return {name for item in node for name in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own | {name for value in node.values() for name in references(value)}


def used_by(part: Any, whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The components that a part refers to, and those that they refer to."""
    components: dict[str, dict[str, Any]] = {}
    todo, done = references(part), set[str]()
    while todo - done:
        reference = min(todo - done)
        done.add(reference)
        _, _, kind, name = reference.split("/")
        found = bare(whole["components"][kind][name])
        found |= NEEDED if kind == "responses" else {}
        components.setdefault(kind, {})[name] = found
        todo |= references(found)
    return components


def about(whole: dict[str, Any], licence: str) -> dict[str, Any]:
    """Where a description is from, and whose work it is."""
    kept = {key: whole["info"][key] for key in ("title", "version", "license")}
    return kept | {"x-licence": licence.split("\n")}


def cut_event(whole: dict[str, Any], licence: str) -> dict[str, Any]:
    """The schema of the event's body, as one JSON Schema document."""
    body = whole["webhooks"][EVENT]["post"]["requestBody"]["content"]["application/json"]
    schema = bare(body["schema"])
    return schema | {"x-info": about(whole, licence), "components": used_by(schema, whole)}


def cut(whole: dict[str, Any], licence: str) -> dict[str, Any]:
    """The operations, what they refer to, and whose work it is."""
    paths = {
        path: {method: bare(whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    components = used_by(paths, whole)
    body = paths[ENVIRONMENT]["put"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"] |= BYPASS
    components["schemas"]["environment"]["properties"] |= BYPASS
    return {
        "openapi": whole["openapi"],
        "info": about(whole, licence),
        "servers": whole["servers"],
        "paths": paths,
        "components": components,
    }


def written(source: Path, target: Path, how: Any) -> None:
    """Cut a description and write what is left."""
    licence = (source.parents[1] / "LICENSE").read_text(encoding="utf-8")
    whole = json.loads(source.read_text(encoding="utf-8"))
    text = json.dumps(how(whole, licence), indent=1, sort_keys=True) + "\n"
    target.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    written(Path(sys.argv[1]), TARGET, cut)
    if len(sys.argv) > 2:
        written(Path(sys.argv[2]), EVENTS, cut_event)

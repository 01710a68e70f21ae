"""Issues, and workflows that are started, on the GitHub for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from github_stand_in import GitHubStandIn

Json = dict[str, Any]
Answer = tuple[int, Any]
OFF = "Issues are disabled for this repo"


def answer(hub: GitHubStandIn, method: str, path: str, query: Json, body: Json) -> Answer | None:
    """Status and body, or None for what is not there."""
    words = path.removeprefix(f"/repos/{hub.repository}/").split("/")
    if words[:2] == ["actions", "workflows"] and (method, words[3:]) == ("POST", ["dispatches"]):
        return _started(hub, words[2], body)
    if words[0] != "issues":
        return None
    if not hub.has_issues:
        return (200, []) if method == "GET" else (410, {"message": OFF})
    if (method, len(words)) == ("GET", 1):
        return 200, [one for one in hub.issues.values() if _asked(one, query)]
    if (method, len(words)) == ("POST", 1):
        return 201, add(hub, **body)
    issue = hub.issues.get(int(words[1]))
    if issue is None:
        return None
    if (method, words[2:]) == ("POST", ["comments"]):
        from github_stand_in import made

        hub.comments.setdefault(issue["number"], []).append(body["body"])
        return 201, made("issue-comment", body=body["body"])
    if (method, words[2:]) == ("PATCH", []):
        issue |= body
        return 200, issue
    return None


def add(hub: GitHubStandIn, **values: Any) -> Json:
    """An issue; with `pull_request`, what GitHub lists of a pull request among them."""
    from github_stand_in import made

    number = max([*hub.issues, *hub.pulls], default=0) + 1
    labels = [{"name": name} for name in values.pop("labels", [])]
    page = f"https://github.com/{hub.repository}/issues/{number}"
    given = {"number": number, "state": "open", "labels": labels, "html_url": page}
    hub.issues[number] = made("issue", **given | values)
    return hub.issues[number]


def _asked(issue: Json, query: Json) -> bool:
    state = query.get("state", "open")
    wanted = set(query["labels"].split(",")) if "labels" in query else set()
    has = {label["name"] for label in issue["labels"]}
    return state in ("all", issue["state"]) and wanted <= has


def _started(hub: GitHubStandIn, workflow: str, body: Json) -> Answer | None:
    if workflow not in hub.workflows:
        return None
    if body["ref"] not in hub.settings.branches:
        return 422, {"message": f"No ref found for: {body['ref']}"}
    unknown = body.get("inputs", {}).keys() - hub.workflows[workflow]
    if unknown:
        return 422, {"message": f"Unexpected inputs provided: {sorted(unknown)}"}
    hub.started.append((workflow, body.get("inputs", {})))
    return 204, None

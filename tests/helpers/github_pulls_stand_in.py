"""Pull requests that are listed, opened and changed on the GitHub for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from github_stand_in import GitHubStandIn

Json = dict[str, Any]
Answer = tuple[int, Any]
EXISTS = "A pull request already exists for {}."


def answer(hub: GitHubStandIn, method: str, path: str, query: Json, body: Json) -> Answer | None:
    """Status and body, or None for what is not there."""
    prefix = f"/repos/{hub.repository}/pulls"
    if (method, path) == ("GET", prefix):
        return 200, [_simple(hub, one) for one in hub.pulls.values() if _asked(hub, one, query)]
    if (method, path) == ("POST", prefix):
        return _opened(hub, body)
    number = path.removeprefix(f"{prefix}/")
    if method == "PATCH" and number.isdecimal() and int(number) in hub.pulls:
        hub.pulls[int(number)] |= body
        return 200, hub.pulls[int(number)]
    return None


def _asked(hub: GitHubStandIn, pull: Json, query: Json) -> bool:
    """Whether a list has a pull request; a head is named with its owner, or it filters nothing."""
    owner = hub.repository.partition("/")[0]
    wanted = {
        "state": query.get("state", "open"),
        "base": query.get("base", pull["base"]["ref"]),
        "head": query.get("head", f"{owner}:{pull['head']['ref']}"),
    }
    head = f"{owner}:{pull['head']['ref']}"
    return wanted == {"state": pull["state"], "base": pull["base"]["ref"], "head": head}


def _opened(hub: GitHubStandIn, body: Json) -> Answer:
    there = [one for one in hub.pulls.values() if one["state"] == "open"]
    if any(one["head"]["ref"] == body["head"] for one in there):
        head = f"{hub.repository.partition('/')[0]}:{body['head']}"
        error = {"resource": "PullRequest", "code": "custom", "message": EXISTS.format(head)}
        return 422, {"message": "Validation Failed", "errors": [error]}
    number = max([*hub.pulls, *hub.issues], default=0) + 1
    pull = hub.add_pull(number, title=body["title"], body=body["body"], state="open")
    pull["head"] = pull["head"] | {"ref": body["head"]}
    pull["base"] = pull["base"] | {"ref": body["base"]}
    pull["html_url"] = f"https://github.com/{hub.repository}/pull/{number}"
    return 201, pull


def _simple(hub: GitHubStandIn, pull: Json) -> Json:
    """A pull request as lists have it."""
    from github_stand_in import made

    whole = made("pull-request-simple")
    return {name: pull.get(name, value) for name, value in whole.items()} | {"body": pull["body"]}

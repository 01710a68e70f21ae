"""Compare GitHub's settings with the required ones; with an administrator's token, apply them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import FOUND, NO_ANSWER, Problem
from governed_ml.core.repository import PROTECTED, content
from governed_ml.github import settings as settings
from governed_ml.github.client import Refused
from governed_ml.github.current_settings import ADMIN, CODEOWNERS, Hub, opened
from governed_ml.github.settings import Becomes, Values, WantedSettings, differences
from governed_ml.ledger.rules_in_force import Today
from governed_ml.ledger.storage import BRANCH

Put = Callable[[Values | None, Values], None]


class Setting(Closed):
    """One setting, and whether it is as required."""

    name: str
    state: Literal["as wanted", "differs", "unknown"]
    lines: list[str] = Field(default_factory=list)


class SettingsReport(Closed):
    """The state of all settings."""

    settings: list[Setting]
    notes: list[str]
    changed: list[str] = Field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0 if all are as required, 1 if one differs, 2 if one cannot be read."""
        states = {one.state for one in self.settings}
        return NO_ANSWER if "unknown" in states else FOUND if "differs" in states else 0


@dataclass(frozen=True)
class ManagedSetting:
    """How to read, change and write one setting. If `put` is None, it must be changed by hand."""

    name: str
    look: Callable[[], Values | None]
    becomes: Becomes
    put: Put | None
    optional: bool = False  # whether it may be absent, because GitHub does not offer it everywhere

    def setting(self) -> Setting:
        """Read the setting and compare it with the required one."""
        try:
            found = self.look()
        except Refused as no:
            if no.status not in (403, 404):
                raise
            return Setting(name=self.name, state="unknown", lines=[str(no)])
        lines = [] if found is None and self.optional else differences(found, self.becomes(found))
        return Setting(name=self.name, state="differs" if lines else "as wanted", lines=lines)


@dataclass(frozen=True)
class Plan:
    """The required settings of one repository."""

    parts: list[ManagedSetting]
    notes: list[str]

    def compare(self) -> SettingsReport:
        """Compare every setting with the required one."""
        return SettingsReport(settings=[part.setting() for part in self.parts], notes=self.notes)

    def apply(self, say: Callable[[str], None]) -> SettingsReport:
        """Apply every setting that differs, and compare again.

        Raise `Problem` before any change if a setting cannot be read.
        """
        before = self.compare()
        unseen = [one for one in before.settings if one.state == "unknown"]
        if unseen:
            raise Problem(
                f"nothing was changed, because a setting cannot be read: {unseen[0].name}: "
                f"{unseen[0].lines[0]}"
            )
        changed: list[str] = []
        for part, one in zip(self.parts, before.settings, strict=True):
            if one.state == "differs" and part.put is not None:
                found = part.look()
                part.put(found, part.becomes(found))
                changed.append(part.name)
                say(f"{part.name}: set")
        after = self.compare() if changed else before
        return after.model_copy(update={"changed": changed})


@contextmanager
def planned(base: Path) -> Generator[Plan]:
    """Connect to the repository, and provide its required settings."""
    with opened(base, ADMIN) as hub:
        now, _ = hub.today(base)
        texts = {
            name: (content(base, now.commit, f"{settings.WORKFLOWS}/{name}") or b"").decode(
                "utf-8", "replace"
            )
            for name in settings.REQUIRED_JOBS
        }
        wanted = settings.wanted(now, texts)
        yield Plan(_parts(hub, base, now, wanted), wanted.notes)


def _parts(hub: Hub, base: Path, now: Today, wanted: WantedSettings) -> list[ManagedSetting]:
    rulesets = {PROTECTED: settings.main_rules(wanted.checks), BRANCH: settings.ledger_rules()}
    plain = [
        ("Actions", "/actions/permissions", settings.ACTIONS_POLICY),
        ("the workflows' token", "/actions/permissions/workflow", settings.TOKEN_POLICY),
    ]
    fork = "/actions/permissions/fork-pr-contributor-approval"
    parts = [
        ManagedSetting(
            f"environment {name}",
            partial(_environment, hub, name, reviewers),
            settings.environment_becomes(reviewers),
            partial(_put_environment, hub, name),
        )
        for name, reviewers in wanted.environments.items()
    ]
    parts += [
        ManagedSetting(
            f"ruleset {_ruleset(branch)}",
            partial(hub.ruleset, _ruleset(branch)),
            settings.ruleset_becomes(branch, rules),
            partial(_put_ruleset, hub, _ruleset(branch)),
        )
        for branch, rules in rulesets.items()
    ]
    parts += [_plain(hub, *one) for one in plain]
    parts.append(_plain(hub, "pull requests from forks", fork, settings.FORK_POLICY, optional=True))
    owners, errors = partial(hub.codeowners, base, now.commit), settings.NO_ERRORS
    return [*parts, ManagedSetting(CODEOWNERS, owners, settings.values_become(errors), None)]


def _plain(
    hub: Hub, name: str, path: str, values: Values, *, optional: bool = False
) -> ManagedSetting:
    def put(_: Values | None, to_be: Values) -> None:
        keys = [*values, *(["allowed_actions"] if "allowed_actions" in to_be else [])]
        hub.send(name, "PUT", path, {key: to_be[key] for key in keys})

    becomes = settings.values_become(values)
    return ManagedSetting(name, partial(hub.values, name, path), becomes, put, optional)


def _ruleset(branch: str) -> str:
    return f"governance: {branch}"


def _environment(hub: Hub, name: str, reviewers: list[str]) -> Values | None:
    """Return an environment's settings, after checking that GitHub knows all required reviewers."""
    found = hub.environment(name)
    for handle in reviewers:
        if found is None or handle.lower() not in found["reviewers"]:
            hub.account(handle)
    return found


def _put_environment(hub: Hub, name: str, found: Values | None, to_be: Values) -> None:
    """Create or change an environment, with all its protection in one request."""
    path, what = f"/environments/{name}", f"the environment {name}"
    body = {key: to_be[key] for key in ("wait_timer", "prevent_self_review", "can_admins_bypass")}
    body["reviewers"] = [hub.account(handle) for handle in to_be["reviewers"]]
    allowed = {"protected_branches": False, "custom_branch_policies": True}
    hub.send(what, "PUT", path, body | {"deployment_branch_policy": allowed})
    patterns = hub.patterns(name)
    wanted = [{"name": branch, "type": "branch"} for branch in to_be["branches"]]
    for one in patterns:
        if {"name": one.name, "type": one.type} not in wanted:
            hub.send(what, "DELETE", f"{path}/deployment-branch-policies/{one.id}")
    there = [{"name": one.name, "type": one.type} for one in patterns]
    for pattern in wanted:
        if pattern not in there:
            hub.send(what, "POST", f"{path}/deployment-branch-policies", pattern)


def _put_ruleset(hub: Hub, name: str, found: Values | None, to_be: Values) -> None:
    """Create or change a ruleset."""
    body = {key: to_be[key] for key in ("target", "enforcement", "bypass_actors")}
    body["conditions"] = {"ref_name": {key: to_be[key] for key in ("include", "exclude")}}
    body["rules"] = [_rule(kind, parameters) for kind, parameters in to_be["rules"].items()]
    path, method = (f"/rulesets/{found['id']}", "PUT") if found else ("/rulesets", "POST")
    hub.send(f"the ruleset {name}", method, path, {"name": name} | body)


def _rule(kind: str, parameters: Values) -> Values:
    """Return a rule in the form that GitHub's API requires."""
    if kind == "pull_request":
        parameters = {"required_review_thread_resolution": False} | parameters
    if kind == "required_status_checks":
        checks = [
            {key: value for key, value in one.items() if value is not None}
            for one in parameters["required_status_checks"]
        ]
        parameters = parameters | {"required_status_checks": checks}
    return {"type": kind} | ({"parameters": parameters} if parameters else {})

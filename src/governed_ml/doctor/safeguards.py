"""Check configuration, hooks, keys, people, ledger and GitHub for the doctor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem, counted, first_line
from governed_ml.core.repository import REMOTE, attempt, has_remote
from governed_ml.doctor.diagnosis import NOTE, OK, UNKNOWN, WARNING, WRONG, Diagnosis
from governed_ml.doctor.stores import answer, protected_here

if TYPE_CHECKING:
    from governed_ml.core.config.params import Params
    from governed_ml.ledger.approvers import Approvers

SOON = 14  # days before its end from which a waiver is reported


def _params(base: Path) -> Params:
    from governed_ml.core.config.composition import CONF, compose

    return compose(base / CONF)


def policy(base: Path) -> Iterator[Diagnosis]:
    """Check that `conf/` composes, that approvals are required, and that no waiver is expiring."""
    from governed_ml.pipeline.stages.compose import check as require_sound

    try:
        params = _params(base)
        require_sound(params)
    except Problem as problem:
        yield Diagnosis("policy", WRONG, str(problem))
        return
    found, asked = params.policy, params.policy.approvals
    if asked is None:
        yield Diagnosis(
            "policy",
            WRONG,
            (
                f"{found.name} does not say which approvals are needed, so nothing can be "
                "promoted: ask the risk owner to add the key `approvals`"
            ),
        )
    else:
        roles = f"{' and '.join(asked.roles)} {'has' if len(asked.roles) == 1 else 'have'}"
        yield Diagnosis(
            "policy", OK, f"{found.name}: {counted(len(found.rules), 'rule')}; {roles} to approve"
        )
    today = datetime.now(UTC).date()
    for one in found.waivers:
        left = (one.expires - today).days
        if left < 0:
            fix = "fix the cause of the failed rule, or ask the risk owner to renew the waiver"
            yield Diagnosis("waiver", WRONG, f"{one.rule} was waived until {one.expires}: {fix}")
        elif left <= SOON:
            yield Diagnosis("waiver", WARNING, f"{one.rule} is waived only until {one.expires}")


def hooks(base: Path) -> Iterator[Diagnosis]:
    """Check that the hooks in .pre-commit-config.yaml are installed."""
    import yaml

    try:
        config = parse_yaml((base / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
        wanted = list(config.get("default_install_hook_types", ["pre-commit"]))
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        said = first_line(error, 120)
        yield Diagnosis(
            "hooks", WRONG, f".pre-commit-config.yaml cannot be read ({said}): restore it with git"
        )
        return
    common = attempt(base, "rev-parse", "--path-format=absolute", "--git-common-dir").stdout
    folder = Path(os.fsdecode(common).strip()) / "hooks"
    for scope in ("--global", "--local"):
        own = attempt(base, "config", scope, "--get", "core.hooksPath").stdout
        folder = base / Path(os.fsdecode(own).strip()).expanduser() if own.strip() else folder
    lost = [name for name in wanted if not _runs_precommit(folder / name)]
    line = f"{', '.join(lost)} not installed: run `uv run pre-commit install` (CI checks the same)"
    yield Diagnosis("hooks", WARNING, line) if lost else Diagnosis("hooks", OK, ", ".join(wanted))


def _runs_precommit(path: Path) -> bool:
    """Return whether a hook is pre-commit's and executable."""
    runs = path.is_file() and (os.name == "nt" or os.access(path, os.X_OK))
    return runs and b"hook-impl" in path.read_bytes()


def keys(base: Path) -> Iterator[Diagnosis]:
    """Check that there is a key to sign models, and that git signs events if that is required."""
    from governed_ml.core.repository import signs
    from governed_ml.registry.release import signing

    listed = _approvers(base)
    if not os.environ.get(signing.VARIABLE):
        line = f"{signing.VARIABLE} is not set, and you need it only to register models"
        yield Diagnosis(
            "model key", NOTE, f"{line}: make a key with `uv run governance keygen PATH`"
        )
    else:
        try:
            key = signing.private_key(base)
            signing.require_listed(key, listed)
            yield Diagnosis("model key", OK, "the key exists and is listed")
        except Problem as problem:
            yield Diagnosis("model key", WRONG, str(problem))
    how = "run `git config gpg.format ssh` and `git config user.signingkey PATH`"
    if signs(base):
        yield Diagnosis("git signing", OK, "git signs events with SSH")
    elif listed.ledger:
        yield Diagnosis(
            "git signing", WRONG, f"events must be signed, but git does not sign them: {how}"
        )
    else:
        yield Diagnosis(
            "git signing", NOTE, f"events are not signed, so nobody can prove who wrote them: {how}"
        )


def _approvers(base: Path) -> Approvers:
    from governed_ml.ledger.approvers import Approvers, read

    commit = protected_here(base)
    return read(base, commit) if commit else Approvers()


def people(base: Path) -> Iterator[Diagnosis]:
    """Check that different people can fill the roles that the policy requires."""
    from governed_ml.registry.approval.approvals import Approval, missing

    try:
        listed = _approvers(base)
    except Problem as problem:
        yield Diagnosis("approvers", WRONG, str(problem))
        return
    if not listed.people:
        line = "nobody is listed in governance/approvers.yaml: ask the risk owner to add people"
        yield Diagnosis("approvers", NOTE, f"{line} before a model can be approved")
        return
    today = datetime.now(UTC).date()
    for one in listed.people:
        if not one.github and not any(key.counts(today) for key in one.keys):
            yield Diagnosis(
                "approvers",
                WARNING,
                (
                    f"{one.name} has neither a GitHub account nor a valid key, and cannot approve: "
                    "ask the risk owner to add one"
                ),
            )
    wanted = _params(base).policy.approvals
    able = [one for one in listed.people if one.github or any(k.counts(today) for k in one.keys)]
    said = [Approval.model_construct(approver=one.name, roles=one.roles) for one in able]
    asked = [one.name for one in able if wanted is None or {*one.roles} & {*wanted.roles}]
    lost = missing(wanted, said) if wanted else []
    if lost:
        line = f"governance/approvers.yaml has no separate person for {' and '.join(lost)}"
        yield Diagnosis("approvers", WRONG, f"{line}: ask the risk owner to add one")
    else:
        yield Diagnosis(
            "approvers",
            OK,
            f"the approvals that the policy asks for can come from {', '.join(asked) or 'nobody'}, "
            "but nobody can approve their own commit",
        )


def github(base: Path) -> Iterator[Diagnosis]:
    """Check that GitHub's settings are as required (see `governance github verify`)."""
    from governed_ml.github.client import repository

    if not os.environ.get("GITHUB_TOKEN") and not os.environ.get("GH_TOKEN"):
        yield Diagnosis("GitHub", NOTE, "not checked, because GITHUB_TOKEN is not set: set it")
        return
    try:
        repository(base)
    except Problem as problem:
        yield Diagnosis("GitHub", NOTE, f"not checked: {problem}")
        return
    from governed_ml.github.apply import planned

    with planned(base) as plan:
        found = plan.compare()
    for one in found.settings:
        if one.lines:
            state = UNKNOWN if one.state == "unknown" else WRONG
            fix = "run `uv run governance github apply`"
            yield Diagnosis("GitHub", state, f"{one.name}: {'; '.join(one.lines)}; {fix}")
    if not found.exit_code:
        yield Diagnosis("GitHub", OK, f"{counted(len(found.settings), 'setting')} as they must be")


def ledger(base: Path) -> Iterator[Diagnosis]:
    """Check that the ledger is intact and that its end is anchored elsewhere."""
    from governed_ml.registry.audit import inspect

    if has_remote(base) and answer(base)[0]:
        yield Diagnosis("ledger", UNKNOWN, f"not checked, because {REMOTE} does not answer")
        return
    found = inspect(base)
    for line in found.problems:
        yield Diagnosis("ledger", WRONG, f"{line}; run `uv run governance ledger verify`")
    for line in found.unchecked:
        yield Diagnosis("ledger", UNKNOWN, line)
    if found.problems or found.unchecked:
        return
    if not found.events:
        yield Diagnosis(
            "ledger", NOTE, "it is empty: `uv run governance register` writes its first event"
        )
    elif found.unanchored:
        line = f"the last {found.unanchored} of {found.events} events are not anchored"
        yield Diagnosis("ledger", WARNING, f"{line}: run `uv run governance reconcile`")
    else:
        yield Diagnosis("ledger", OK, f"{counted(found.events, 'event')}, anchored to the last")


def monitoring(base: Path) -> Iterator[Diagnosis]:
    """Check that the champion is monitored as often as the policy requires."""
    from governed_ml.ledger.liveness import alarm, last_window, unwatched
    from governed_ml.registry.counted_events import follow

    life, params = follow(base), _params(base)
    if life.champion is None:
        yield Diagnosis("monitoring", NOTE, "there is no champion to monitor yet")
        return
    why = unwatched(life, params.policy, datetime.now(UTC).date())
    loud = alarm(life.champion)
    state = WRONG if why else WARNING if loud else OK
    yield Diagnosis("monitoring", state, why or loud or last_window(life.champion))
    if params.monitor.source is None:
        yield Diagnosis(
            "monitoring",
            NOTE,
            (
                "monitor.source in conf/config.yaml is not set: set it, or name a batch on the "
                "command line"
            ),
        )

"""The states in which faults start: pipeline measured, model registered, model promoted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from governed_ml.core import tables
from governed_ml.core.problem import Problem
from governed_ml.drill.command_result import State
from governed_ml.drill.scratch import Scratch
from governed_ml.ledger.approvers import PATH as APPROVERS
from governed_ml.registry.release import signing

ROWS = 50  # rows for the champion to predict


def _measure(scratch: Scratch) -> None:
    """Run the pipeline where it is out of date, and commit the result."""
    if scratch.params().notify.url is not None:  # the copy must not notify anybody
        scratch.edit_yaml("conf/config.yaml", lambda conf: conf["notify"].update(url=None))
    scratch.say("running the rest of the pipeline")
    scratch.dvc("repro")
    scratch.commit("The pipeline ran")


def enter(scratch: Scratch, state: State) -> None:
    """Create a state and those before it, unless it exists; a failed state is not tried again."""
    if state in scratch.lost:
        raise scratch.lost[state]
    if (scratch.home / state).exists():
        return
    before = BEFORE[state]
    if before is not None:
        enter(scratch, before)
        scratch.restore(before)
    try:
        MAKE[state](scratch)
    except Problem as problem:
        scratch.lost[state] = problem
        raise
    scratch.keep(state)
    scratch.say(f"the copy is {state}")


def judge(scratch: Scratch) -> None:
    """Run the gate without a fault; add a note if the project's own decision is deny."""
    denied = scratch.clean("measured", ("gate", "--json"))
    if denied.code == 2:
        raise Problem(f"in the copy, the gate gives no answer: {(denied.lines or ['nothing'])[-1]}")
    if denied.code:
        scratch.notes.append(
            f"the project's own decision is deny ({len(denied.rules)} rules), so a fault "
            "counts as caught only if it adds a reason"
        )


def _register(scratch: Scratch) -> None:
    """Register the copy's model, with people and keys of the drill."""
    _let_through(scratch)
    signing.generate(scratch.model_key, scratch.project)
    people = [
        {
            "name": f"drill-{role}",
            "roles": [role],
            "emails": [f"{role}@drill.invalid"],
            "keys": [{"key": _ssh_key(scratch.home / "keys" / role)}],
        }
        for role in _roles(scratch)
    ]
    listed = {"people": people, "model_keys": [{"key": signing.public_of(scratch.model_key)}]}
    (scratch.project / APPROVERS).write_text(json.dumps(listed, indent=1), encoding="utf-8")
    scratch.commit("Who may approve in the drill")
    scratch.dvc("push", "--quiet")
    scratch.say("registering: everything is measured again, outside DVC")
    scratch.must("register")


def _promote(scratch: Scratch) -> None:
    """Approve the version in every role, promote it, and keep rows for predictions."""
    for role in _roles(scratch):
        scratch.say(f"approving as {role}")
        key = str(scratch.home / "keys" / role)
        scratch.must("approve", "1", "--as", f"drill-{role}", "--key", key)
    scratch.say("promoting")
    scratch.must("promote", "1")
    rows = tables.read(scratch.project / tables.RAW).head(ROWS)
    tables.write(rows, scratch.project / tables.RAW.with_name("rows.parquet"))


def _roles(scratch: Scratch) -> list[str]:
    approvals = scratch.params().policy.approvals
    return list(dict.fromkeys(approvals.roles)) if approvals else []


def _let_through(scratch: Scratch) -> None:
    """Remove from the copy's policy what would keep its model from becoming champion."""
    denied = {one["id"].partition("[")[0] for one in _denying(scratch)}
    policy = scratch.params().policy
    if not denied and policy.approvals is not None:
        return

    def loosen(values: Any) -> None:
        if isinstance(values.get("rules"), list):
            values["rules"] = [rule for rule in values["rules"] if rule["id"] not in denied]
        else:
            values.setdefault("rules", {}).update(dict.fromkeys(denied))
        values.update(waivers=[], floor=None)
        if policy.approvals is None:
            values["approvals"] = {"roles": ["model-owner"], "valid_days": 1}

    scratch.edit_yaml(f"conf/policy/{policy.name}.yaml", loosen)
    scratch.dvc("repro")
    scratch.notes.append(
        (
            "to get a champion, the drill removed rules from the copy's policy: "
            f"{', '.join(sorted(denied))}"
        )
        if denied
        else "to get a champion, the drill made the copy's policy ask for a model-owner's approval"
    )


def _denying(scratch: Scratch) -> list[dict[str, Any]]:
    return scratch.clean("measured", ("gate", "--json")).rules


def _ssh_key(path: Path) -> str:
    """Create an SSH key without a passphrase; return the public key."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Problem("ssh-keygen is missing or could not create a key: install OpenSSH") from error
    return path.with_suffix(".pub").read_text(encoding="utf-8").strip()


BEFORE: dict[State, State | None] = {
    "measured": None,
    "registered": "measured",
    "promoted": "registered",
}
MAKE: dict[State, Callable[[Scratch], None]] = {
    "measured": _measure,
    "registered": _register,
    "promoted": _promote,
}

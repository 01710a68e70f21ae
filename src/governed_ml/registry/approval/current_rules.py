"""Judge a version under today's rules: the protected branch's policy and approvers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.core.config.policy_schema import Approvals
from governed_ml.core.problem import Problem
from governed_ml.core.repository import PROTECTED, precedes
from governed_ml.github.reviews import Review
from governed_ml.github.settings import BRANCH, ENVIRONMENTS, WORKFLOW
from governed_ml.ledger.approvers import Person
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.rules_in_force import Today
from governed_ml.policy.decision import LETS_THROUGH, Decision
from governed_ml.policy.judge import judge
from governed_ml.policy.measured_under import TERM, as_asked, differences
from governed_ml.registry.approval.approvals import Approval, barred, given, missing, refused
from governed_ml.registry.release.bundle import Checked


def judge_again(bundle: Checked, now: Today, unread: str | None = None) -> Decision:
    """Judge the sealed evidence under today's policy, at today's date, with the running engine.

    The decision names the running engine, even if another engine measured the evidence. The policy
    limits for how long such measurements count (see `earlier_engine`). If a setting of the
    measurement differs from today's, the version is denied (see `measured_under`). `unread` is why
    the version could not be compared with today's champion, or None.
    """
    asked = as_asked(bundle.params(), now.params)
    otherwise = measured_otherwise(bundle, now)
    return judge(asked, bundle.evidence(), now.day, unanswered=otherwise, unread=unread)


def judge_earlier_champion(bundle: Checked, now: Today) -> Decision:
    """Judge an earlier champion under today's limits, even if it was measured otherwise.

    A rollback must be possible on the day when it is needed. `measured_otherwise` is recorded.
    """
    params = bundle.params().model_copy(update={"policy": now.policy})
    return judge(params, bundle.evidence(), now.day)


def measured_otherwise(bundle: Checked, now: Today) -> dict[str, str]:
    """Return the parameters of the measurement that differ from today's: id → the difference."""
    digests = now.contract, now.predictions
    found = differences(bundle.params(), bundle.evidence(), now.params, *digests)
    return {f"{TERM}.{name}": why for name, why in found.items()}


def why_denied(decision: Decision, most: int = 3) -> str:
    """Return the rules that deny the model, the first `most` with reasons, in one line."""
    bad = [rule for rule in decision.by_weight() if rule.verdict not in LETS_THROUGH]
    words = "; ".join(f"{rule.id}: {rule.reason}" for rule in bad[:most])
    return words + (f"; and {len(bad) - most} more" if len(bad) > most else "")


def require_allow(number: int, decision: Decision) -> None:
    """Raise `Problem` with the reasons if today's policy denies a version."""
    if decision.verdict != "allow":
        raise Problem(f"version {number} is denied under today's policy: {why_denied(decision)}", 1)


def summary(decision: Decision) -> dict[str, object]:
    """Return a decision in the form that ledger events record: without rules that pass or warn."""
    return {
        "verdict": decision.verdict,
        "tally": decision.tally(),
        "risk": decision.risk,
        "rules": {
            rule.id: f"{rule.verdict}: {rule.reason}"
            for rule in decision.by_weight()
            if rule.verdict not in ("pass", "warn")
        },
    }


def require_reviewed(base: Path, version: Version, life: Lifecycle, now: Today) -> None:
    """Require that a version's commit is on the protected branch and follows the champion's commit.

    Raise `Problem` otherwise. For an older commit, the authors of its changes could not be
    determined.
    """
    commit, champion = version.subject["commit"], life.champion
    if champion is not None and not precedes(base, champion.subject["commit"], commit):
        raise Problem(
            f"commit {commit[:12]} does not descend from the champion's commit, "
            f"{champion.subject['commit'][:12]}: register a newer commit, or roll back",
            1,
        )
    if not precedes(base, commit, now.commit):
        raise Problem(
            f"commit {commit[:12]} is not on {PROTECTED}: bring it there by a reviewed pull "
            "request; if the merge makes another commit, register that one",
            1,
        )


def sort_approvals(
    base: Path, version: Version, life: Lifecycle, now: Today
) -> tuple[list[Approval], list[str], list[str]]:
    """Return the approvals that count today, the missing roles, and why other approvals do not."""
    wanted = now.policy.approvals
    if wanted is None:
        raise Problem(
            f"the policy on {PROTECTED} does not say which approvals are needed (key "
            "`approvals`): ask the risk owner to add it",
            1,
        )
    champion = life.champion
    since = champion.subject["commit"] if champion else None
    own = barred(base, version, since, now.approvers, now.commit)
    good: list[Approval] = []
    why: list[str] = []
    for approval in given(version):
        reason = refused(
            approval, version, now.policy_digest, now.approvers, wanted, own, datetime.now(UTC)
        )
        reason = reason or _unconfirmed(base, approval, now)
        if reason:
            why.append(f"approval by {approval.approver} of {approval.time[:10]}: {reason}")
        else:
            good.append(approval)
    return good, missing(wanted, good), why


def on_github(base: Path, source: str) -> list[Review]:
    """Return the approvals in `github:run:ID` (environments) or `github:pull:N` (reviews).

    Only runs of the promotion workflow and pull requests from `promote/…` to the protected branch
    are accepted. Approvals by whoever started the run, or by the pull request's author, do not
    count.
    """
    from governed_ml.github.reviews import reviews, run_approvals

    found = re.fullmatch(r"github:(run|pull):(\d{1,18})", source)
    if found is None:
        raise Problem(
            f"{source[:60]!r} is not a source of approvals: name github:run:ID or "
            "github:pull:NUMBER",
            1,
        )
    if found[1] == "pull":
        pull = reviews(base, int(found[2]))
        if not pull.head_branch.startswith(BRANCH) or pull.base_branch != PROTECTED:
            raise Problem(
                f"pull request {found[2]} is not a promotion: it goes from {pull.head_branch} "
                f"to {pull.base_branch}, but must go from {BRANCH}… to {PROTECTED}",
                1,
            )
        return pull.said
    run = run_approvals(base, int(found[2]))
    if run.workflow != WORKFLOW:
        raise Problem(
            f"run {found[2]} is of {run.workflow}, not of {WORKFLOW}: give a run of that workflow",
            1,
        )
    own = {run.actor.lower(), run.triggering_actor.lower()}
    return [one for one in run.said if one.login.lower() not in own]


def roles_of(said: list[Review], person: Person, wanted: Approvals) -> list[str]:
    """Return the roles in which a person approved on GitHub. Each environment stands for a role."""
    mine = [one for one in said if one.login.lower() == (person.github or "").lower()]
    if any(one.state == "rejected" for one in mine):
        return []
    spoken = {ENVIRONMENTS.get(one.environment) if one.environment else None for one in mine}
    reviewed = any(one.environment is None for one in mine)
    return [role for role in person.roles if role in wanted.roles and (reviewed or role in spoken)]


def _unconfirmed(base: Path, approval: Approval, now: Today) -> str | None:
    """Return why GitHub does not confirm an approval that names GitHub as its source, or None."""
    if approval.source == "ssh" or now.policy.approvals is None:
        return None
    said = [one for one in on_github(base, approval.source) if one.commit == approval.commit]
    person = now.approvers.person(approval.approver)
    if set(approval.roles) - set(roles_of(said, person, now.policy.approvals)):
        return f"GitHub does not have this approval ({approval.source})"
    return None

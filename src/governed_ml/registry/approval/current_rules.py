"""Today's rules: the protected branch's policy and approvers, and a verdict under them."""

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

    The engine that judges is the one that runs, whichever measured: the decision names it. For how
    long another engine's measurements count, the policy says (`earlier_engine`). What was measured
    under other parameters than today's is no answer to what is asked today. `unread`: why the
    version was not compared with today's champion, or None.
    """
    asked = as_asked(bundle.params(), now.params)
    otherwise = measured_otherwise(bundle, now)
    return judge(asked, bundle.evidence(), now.day, unanswered=otherwise, unread=unread)


def judge_earlier_champion(bundle: Checked, now: Today) -> Decision:
    """Judge what was champion before under today's limits, whatever it was measured under.

    Going back has to work on the day on which it is needed; `measured_otherwise` is recorded.
    """
    params = bundle.params().model_copy(update={"policy": now.policy})
    return judge(params, bundle.evidence(), now.day)


def measured_otherwise(bundle: Checked, now: Today) -> dict[str, str]:
    """Return what the evidence was measured under and is not asked today: id → how it differs."""
    found = differences(bundle.params(), bundle.evidence(), now.params, now.contract)
    return {f"{TERM}.{name}": why for name, why in found.items()}


def why_denied(decision: Decision, most: int = 3) -> str:
    """Return the rules that deny, the first few with their reasons, in one line."""
    bad = [rule for rule in decision.by_weight() if rule.verdict not in LETS_THROUGH]
    words = "; ".join(f"{rule.id}: {rule.reason}" for rule in bad[:most])
    return words + (f"; and {len(bad) - most} more" if len(bad) > most else "")


def require_allow(number: int, decision: Decision) -> None:
    """Refuse a version that today's policy denies, with the reasons."""
    if decision.verdict != "allow":
        raise Problem(f"version {number} is denied under today's policy: {why_denied(decision)}", 1)


def summary(decision: Decision) -> dict[str, object]:
    """Return a decision as ledger events carry it: verdict, risk, what was not a plain pass."""
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
    """Refuse a commit that did not reach the protected branch, or is older than the champion's.

    Of an older one nobody could say whose work is new in it.
    """
    commit, champion = version.subject["commit"], life.champion
    if champion is not None and not precedes(base, champion.subject["commit"], commit):
        raise Problem(
            f"commit {commit[:12]} does not follow the champion's, "
            f"{champion.subject['commit'][:12]}: register a newer one, or roll back",
            1,
        )
    if not precedes(base, commit, now.commit):
        raise Problem(
            f"commit {commit[:12]} is not on {PROTECTED}: merge it by review, then register "
            "it there",
            1,
        )


def sort_approvals(
    base: Path, version: Version, life: Lifecycle, now: Today
) -> tuple[list[Approval], list[str], list[str]]:
    """Return what counts today, the roles that are missing, and why others do not count."""
    wanted = now.policy.approvals
    if wanted is None:
        raise Problem(f"the policy on {PROTECTED} has no approvals: the risk owner sets them", 1)
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
    """Ask GitHub who said what: `github:run:ID` (environments) or `github:pull:N` (reviews).

    Only words about a promotion are any: of the run of its workflow, of a branch `promote/…`.
    Whoever started a run has no say in it, nor has the author of a pull request.
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
                f"pull request {found[2]} is no promotion: it goes from {pull.head_branch} to "
                f"{pull.base_branch}, and {BRANCH}… to {PROTECTED} was expected",
                1,
            )
        return pull.said
    run = run_approvals(base, int(found[2]))
    if run.workflow != WORKFLOW:
        raise Problem(f"run {found[2]} is of {run.workflow}, not of {WORKFLOW}", 1)
    own = {run.actor.lower(), run.triggering_actor.lower()}
    return [one for one in run.said if one.login.lower() not in own]


def roles_of(said: list[Review], person: Person, wanted: Approvals) -> list[str]:
    """Return the roles in which a person said yes on GitHub: an environment stands for one."""
    mine = [one for one in said if one.login.lower() == (person.github or "").lower()]
    if any(one.state == "rejected" for one in mine):
        return []
    spoken = {ENVIRONMENTS.get(one.environment) if one.environment else None for one in mine}
    reviewed = any(one.environment is None for one in mine)
    return [role for role in person.roles if role in wanted.roles and (reviewed or role in spoken)]


def _unconfirmed(base: Path, approval: Approval, now: Today) -> str | None:
    """Return why GitHub does not confirm an approval that is said to be from there, or None."""
    if approval.source == "ssh" or now.policy.approvals is None:
        return None
    said = [one for one in on_github(base, approval.source) if one.commit == approval.commit]
    person = now.approvers.person(approval.approver)
    if set(approval.roles) - set(roles_of(said, person, now.policy.approvals)):
        return f"GitHub does not have this approval ({approval.source})"
    return None

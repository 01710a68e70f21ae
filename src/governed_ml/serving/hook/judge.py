"""Answer a question from the ledger and the rules in force, read anew. Nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from governed_ml.core.problem import FOUND, Problem, Unusable
from governed_ml.ledger.lifecycle import Version
from governed_ml.ledger.liveness import reign
from governed_ml.registry.append_event import Situation, situation
from governed_ml.registry.approval.current_rules import require_reviewed, sort_approvals
from governed_ml.registry.earlier_engine import require_accepted
from governed_ml.registry.promotable import NotApproved, promotable
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked
from governed_ml.registry.versions import Registry
from governed_ml.serving.hook.answer import (
    HookAnswer,
    Result,
    bound,
    for_another,
    out_of_use,
    void_events,
)
from governed_ml.serving.hook.question import ApprovalQuestion, asked_version
from governed_ml.serving.hook.verified_bundles import VerifiedBundles

ENOUGH = (
    "the policy asks for fewer roles than when it was last approved: it counts as approved after "
    "one more `uv run governance approve`"
)


@dataclass(frozen=True)
class JudgedVersion:
    """A result for one version, why, and the roles that are missing."""

    result: Result
    reasons: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ApprovalJudge:
    """Judges versions of one project, one at a time: no two threads may call it at once."""

    base: Path
    registry: Registry
    bundles: VerifiedBundles

    def answer(self, asked: ApprovalQuestion) -> HookAnswer:
        """Return the answer. Raise `Problem` if ledger, rules or registry cannot be read now.

        A ledger that was rewritten or is broken is no such case: it blocks every version.
        """
        try:
            seen = situation(self.base, self.registry)
        except Problem as problem:
            if problem.exit_code != FOUND:
                raise
            return HookAnswer(result="blocked", reasons=[str(problem)]).named()
        return self._about(asked_version(seen.life, asked), asked, seen).named()

    def _about(
        self, found: Version | Unusable, asked: ApprovalQuestion, seen: Situation
    ) -> HookAnswer:
        read = HookAnswer(
            result="blocked",
            ledger=seen.after,
            protected=seen.now.commit,
            policy_in_force=seen.now.policy_digest,
        )
        if isinstance(found, Unusable):
            return read.model_copy(update={"reasons": [found.reason]})
        subject = bound(found, _policy_of(found, seen))
        other = asked.otherwise(subject)
        judged = (
            self._judged(found, seen)
            if other is None
            else JudgedVersion("blocked", [for_another(found, subject, other)])
        )
        about = {"version": found.number, "state": found.state, "subject": subject}
        return read.model_copy(update=about | vars(judged))

    def _judged(self, version: Version, seen: Situation) -> JudgedVersion:
        ways: dict[str, Callable[[Version, Situation], JudgedVersion]] = {
            "champion": self._champion,
            "approved": self._promotable,
            "pending_review": self._waiting,
        }
        if version.state not in ways:
            return JudgedVersion("blocked", [out_of_use(version)])
        try:
            return ways[version.state](version, seen)
        except NotApproved as lacks:
            void = void_events(seen.life, version.number)
            return JudgedVersion("pending", [str(lacks), *void], lacks.roles)
        except Problem as problem:
            if problem.exit_code != FOUND:
                raise
            return JudgedVersion("blocked", [str(problem), *void_events(seen.life, version.number)])

    def _champion(self, version: Version, seen: Situation) -> JudgedVersion:
        """A champion may be deployed, as long as its files are those that were signed."""
        self._fetched(version, seen)
        return JudgedVersion("approved")

    def _promotable(self, version: Version, seen: Situation) -> JudgedVersion:
        promotable(self.base, self.registry, version, seen, lambda: self._fetched(version, seen))
        return JudgedVersion("approved")

    def _waiting(self, version: Version, seen: Situation) -> JudgedVersion:
        """Say which roles are missing, unless approvals could not help."""
        require_reviewed(self.base, version, seen.life, seen.now)
        require_accepted(version, seen.now)
        _, missing, why = sort_approvals(self.base, version, seen.life, seen.now)
        if not missing:  # the policy asked for more roles when the last approval was recorded
            return JudgedVersion("pending", [ENOUGH])
        raise NotApproved(version.number, missing, why)

    def _fetched(self, version: Version, seen: Situation) -> Checked:
        key = (version.number, seen.after, seen.now.commit)
        return self.bundles.of(
            key, lambda folder: bundle.fetch(self.registry, version, seen.now.approvers, folder)
        )


def _policy_of(version: Version, seen: Situation) -> str:
    """Return the digest of the policy for which a version's approvals count.

    For a champion it is the policy of its promotion or rollback; otherwise it is today's.
    """
    if version.state == "champion":
        return reign(version)[0].event.subject["policy"]
    return seen.now.policy_digest

"""What the hook answers about versions of a real project: as `promote` would, and nothing moves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import baked
import pytest
import registry
from baked import BakedProject

from governed_ml.core.problem import FOUND, NO_ANSWER, Problem
from governed_ml.ledger import storage
from governed_ml.registry.approval import current_rules
from governed_ml.registry.release import bundle
from governed_ml.registry.versions import Registry, model_name
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.judge import ApprovalJudge
from governed_ml.serving.hook.question import BOUND, question
from governed_ml.serving.hook.verified_bundles import VerifiedBundles

pytestmark = pytest.mark.slow

RISK = "Risk <risk@example.org>"
LEDGER = "refs/heads/governance-ledger"


class Asked:
    """A project's hook, in this process."""

    def __init__(self, project: BakedProject) -> None:
        self.project, self.bundles = project, VerifiedBundles()

    def __call__(self, **asked: Any) -> HookAnswer:
        """The answer to a question."""
        with self.project.inside():
            base = self.project.path
            judge = ApprovalJudge(base, Registry(model_name(base)), self.bundles)
            return judge.answer(question(asked))

    def blocked(self, *causes: str, **asked: Any) -> HookAnswer:
        """Assert that the answer is blocked for these causes."""
        return self._not_approved("blocked", causes, asked)

    def pending(self, *causes: str, **asked: Any) -> HookAnswer:
        """Assert that the answer is pending for these causes."""
        found = self._not_approved("pending", causes, asked)
        assert found.missing == ["model-owner"]
        return found

    def approved(self, **asked: Any) -> HookAnswer:
        """Assert that the answer is approved."""
        found = self(**asked)
        assert (found.result, found.reasons, found.missing) == ("approved", [], [])
        return found

    def _not_approved(
        self, result: str, causes: tuple[str, ...], asked: dict[str, Any]
    ) -> HookAnswer:
        found = self(**asked)
        assert found.result == result, found
        for cause in causes:
            assert cause in "; ".join(found.reasons), found.reasons
        return found


@contextmanager
def hook(project: BakedProject) -> Generator[Asked]:
    """The hook of a project."""
    made = Asked(project)
    with made.bundles:
        yield made


@contextmanager
def fetches() -> Generator[list[int]]:
    """The versions whose files the hook has downloaded and verified, to keep them."""
    found: list[int] = []
    real = bundle.fetch

    def counted(where: Any, version: Any, people: Any, target: Path) -> Any:
        found.extend([version.number] if "governance-hook" in str(target) else [])
        return real(where, version, people, target)

    with mock.patch.object(bundle, "fetch", counted):
        yield found


def policy_with(project: BakedProject, old: str, new: str) -> None:
    """Change the policy on `main`."""
    text = project.read("conf/policy/base.yaml")
    assert old in text
    project.write("conf/policy/base.yaml", text.replace(old, new))
    registry.save(project, "Another policy", author=RISK)


def test_versions_are_approved_while_they_may_be_promoted_or_are_champion(
    contested: BakedProject,
) -> None:
    # Given a champion, and a challenger that was approved
    before = registry.ledger(contested)
    kept = sorted(path.name for path in registry.artifacts(contested, 2).iterdir())
    with hook(contested) as ask, fetches() as fetched:
        # When a tool asks about them, again and again
        answers = [ask.approved(version=2) for _ in range(3)]
        champion = ask.approved(version=1)
        # Then both are approved, with what the approvals are for; the same answer has the same id
        subject = before[3]["subject"]
        assert answers[0].subject == {name: subject[name] for name in BOUND}
        assert (answers[0].state, champion.state) == ("approved", "champion")
        assert len({one.answer_id for one in answers}) == 1
        assert champion.answer_id != answers[0].answer_id
        main = baked.git(contested.path, "rev-parse", "main")
        head = baked.git(contested.path, "rev-parse", LEDGER)
        assert (answers[0].protected, answers[0].ledger) == (main, head)
        # And the files were downloaded and verified once for each
        assert fetched == [2, 1]
        # And naming all that it is made of, or only what it is made of, is the same question
        assert ask.approved(version=2, **answers[0].subject) == answers[0]
        assert ask.approved(model=subject["model"]) == answers[0]
        assert ask.approved(commit=subject["commit"]) == answers[0]
        # And nothing was recorded, moved, uploaded or left
        assert registry.ledger(contested) == before
        assert sorted(one.name for one in registry.artifacts(contested, 2).iterdir()) == kept
        assert baked.git(contested.path, "status", "--porcelain") == ""
        # When it is promoted, then it stays approved, and the one before is blocked
        contested.call("promote")
        ask.approved(version=2)
        ask.blocked("version 1 was replaced by version 2 (event 6)", version=1)
        # When it is rolled back, then it is blocked at once, also by the files that were verified
        contested.call("rollback", "--reason", "Complaints from customers")
        cause = "version 2 was rolled back (event 7): Complaints from customers"
        ask.blocked(cause, version=2)
        ask.blocked(cause, commit=subject["commit"])
        ask.approved(version=1)
        folder = next(iter(ask.bundles._kept.values())).folder
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize("state", ["approved", "champion"])
def test_an_approval_is_no_answer_about_another_commit_model_table_policy_or_engine(
    state: str, contested: BakedProject
) -> None:
    # Given an approved version, when a tool asks about it with something else that it deploys
    number = 2 if state == "approved" else 1
    other = {
        "name": "another-model",
        "commit": "d" * 40,
        **dict.fromkeys(("model", "data", "policy", "engine"), f"sha256:{'d' * 64}"),
    }
    with hook(contested) as ask:
        own = ask.approved(version=number).subject
        for name, value in other.items():
            # Then it is blocked, with the name of what differs, and with what was approved
            found = ask.blocked(version=number, **{name: value})
            why = f"an approval of version {number} is for another {name} than asked"
            assert found.reasons == [f"{why}: it is for {own[name]}"]
            assert value not in str(found)
        # And the digest of a version that was approved is no approval of the other version
        older = ask(version=1).subject
        ask.blocked("for another commit", version=2, commit=older["commit"])
        ask.blocked("has no version of this commit and this model", commit=own["commit"],
                    model=other["model"])  # fmt: skip


def test_unknown_versions_are_blocked(contested: BakedProject) -> None:
    # Given a ledger, when a version is asked about that it does not have, then it is blocked
    with hook(contested) as ask:
        found = ask.blocked("the ledger has no version 9; it has 1, 2", version=9)
        assert (found.version, found.state, found.subject) == (None, None, {})
        ask.blocked("the ledger has no version of this commit", commit="e" * 40)


def test_a_version_without_approvals_is_pending_and_a_rejected_one_blocked(
    registered: BakedProject,
) -> None:
    with hook(registered) as ask, fetches() as fetched:
        # Given a version that nobody approved, when it is asked about, then the role is named
        ask.pending("version 1 still needs approval by model-owner", version=1)
        # And when somebody who may push writes an approval into the ledger that nobody gave
        [event] = registry.ledger(registered)
        forged = {name: event["subject"][name] for name in ("name", "commit", "model", "data")}
        forged |= {"version": 1, "policy": event["subject"]["policy"], "approver": "owner"}
        forged |= {"roles": ["model-owner"], "source": "ssh", "time": registry.ago(0)}
        main = baked.git(registered.path, "rev-parse", "main")
        with registered.inside():
            storage.append(
                registered.path,
                "approved",
                version=1,
                subject=event["subject"],
                approvals=[forged | {"engine": event["subject"]["engine"], "signature": "none"}],
                details={"missing": [], "protected": main},
            )
        baked.git(registered.path, "push", "--quiet", "origin", LEDGER)
        # Then it is pending still, and the void event is named
        ask.pending("is void: owner did not approve: none of the approver's keys", version=1)
        # And when it is rejected, then it is blocked
        registered.call("reject", "1", "--reason", "The data are too old")
        ask.blocked("version 1 was rejected (event 3): The data are too old", version=1)
    assert fetched == []


def test_a_revoked_key_takes_the_approval_away(contested: BakedProject) -> None:
    # Given an approved version, when the approver's key is revoked on main
    with hook(contested) as ask:
        ask.approved(version=2)
        people = registry.approvers(contested)["people"]
        people[0]["keys"][0]["until"] = datetime.now(UTC).date().isoformat()
        registry.approvers(contested, people=people)
        registry.save(contested, "The key was stolen", author=RISK)
        # Then another approval is needed
        cause = "none of the approver's keys that count today signed it"
        ask.pending("still needs approval by model-owner", cause, version=2)
        # And the promotion that rested on it is void, so its version is champion no longer
        found = ask.pending(cause, "is void: version 1 cannot be champion", version=1)
        assert found.state == "approved"


def test_an_approval_expires(contested: BakedProject) -> None:
    # Given an approval that is as old as the policy allows, and a day older
    class Later(datetime):
        days = 59

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=cls.days)

    with hook(contested) as ask, mock.patch.object(current_rules, "datetime", Later):
        ask.approved(version=2)
        # When it is asked about, then it counts no longer, though the files are verified
        Later.days = 61
        ask.pending("it expired: given on", "valid for 60 days", version=2)


def test_a_policy_that_changed_since_counts(contested: BakedProject) -> None:
    # Given an approved version, when the policy on main changes so that it still allows it
    with hook(contested) as ask:
        old = ask.approved(version=2).subject["policy"]
        policy_with(contested, "warn: 0.70", "warn: 0.71")
        # Then the approval is for another policy, and people can approve again
        found = ask.pending("it is for another policy", version=2)
        # And who names the old policy is told that it does not count any more
        assert found.subject["policy"] == found.policy_in_force != old
        ask.blocked("an approval of version 2 is for another policy", version=2, policy=old)
        # And the champion was promoted under the old one, which is what its approvals are for
        assert ask.approved(version=1, policy=old).policy_in_force != old
        # When it gets so strict that it denies the version, then that is the reason
        policy_with(contested, "warn: 0.71\n    block: 0.65", registry.STRICT)
        ask.blocked("version 2 is denied under today's policy", "evaluate.roc_auc", version=2)


def test_files_that_are_not_what_was_signed_are_blocked(contested: BakedProject) -> None:
    # Given versions whose files somebody changed in the registry, when they are asked about
    for number in (1, 2):
        folder = registry.artifacts(contested, number) / "bundle"
        (folder / "MLmodel").write_text("other: 1\n", encoding="utf-8")
    with hook(contested) as ask:
        # Then neither the champion nor the challenger is approved, and nothing of them is kept
        for number in (1, 2):
            ask.blocked(f"version {number} is refused", "MLmodel changed", version=number)
        assert not ask.bundles._kept


def test_a_commit_that_left_main_is_blocked(contested: BakedProject) -> None:
    # Given an approved version whose commit the remote's main does not have any more
    with hook(contested) as ask:
        ask.approved(version=2)
        baked.git(contested.path, "push", "--quiet", "--force", "origin", "HEAD~1:main")
        # When it is asked about, then it is blocked
        ask.blocked("is not on main", version=2)


def test_a_remote_that_does_not_answer_is_no_answer(contested: BakedProject) -> None:
    # Given a version that was approved a moment ago, and a remote that is gone
    origin = registry.home(contested) / "origin.git"
    with hook(contested) as ask:
        ask.approved(version=2)
        origin.rename(origin.with_suffix(".away"))
        # When it is asked about, then there is no answer, but the reason
        for asked in ({"version": 2}, {"version": 1}):
            with pytest.raises(Problem, match="cannot fetch main from origin") as refused:
                ask(**asked)
            assert refused.value.exit_code == NO_ANSWER
        # And when it is back, then there is one
        origin.with_suffix(".away").rename(origin)
        ask.approved(version=2)


def test_a_ledger_that_lost_events_blocks_every_version(contested: BakedProject) -> None:
    # Given a remote whose ledger somebody truncated, when a version is asked about
    baked.git(contested.path, "push", "--quiet", "--force", "origin", f"{LEDGER}~1:{LEDGER}")
    with hook(contested) as ask:
        for number in (1, 2):
            # Then it is blocked with the reason, and nothing is said of the version
            found = ask.blocked("origin no longer has event 5", version=number)
            assert (found.version, found.ledger) == (None, None)


def test_verified_files_are_kept_for_a_while_and_few_of_them() -> None:
    # Given a clock, and files that are fetched
    moment, made = [0.0], list[Path]()

    def fetch(folder: Path) -> Any:
        made.append(folder)
        return folder

    with VerifiedBundles(lambda: moment[0]) as bundles:
        # When they are asked for again, then they are fetched again only after ten minutes
        first = bundles.of((1,), fetch)
        moment[0] = 600.0
        assert bundles.of((1,), fetch) is first
        moment[0] = 600.5
        assert bundles.of((1,), fetch) is not first
        assert not made[0].exists()
        # And of many versions only four are kept
        for number in range(2, 8):
            bundles.of((number,), fetch)
        assert [one.exists() for one in made] == [False] * 4 + [True] * 4

        # And a fetch that fails leaves nothing
        def fail(folder: Path) -> Any:
            made.append(folder)
            raise Problem("it is not signed", FOUND)

        with pytest.raises(Problem, match="not signed"):
            bundles.of((9,), fail)
        assert not made[-1].exists()
    assert not any(one.exists() for one in made)

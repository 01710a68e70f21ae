"""Which model the service holds: only the one that the ledger calls champion, and only fresh."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from governed_ml.core.problem import Problem
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.ledger.production.canary import Canary
from governed_ml.serving.model.keeper import Keeper


@dataclass
class Model:
    """A loaded version that knows whether it was closed."""

    number: int
    digest: str
    closed: bool = False
    ended: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class World:
    """A ledger that a test changes, a clock, and what was loaded from it."""

    life: Lifecycle = field(default_factory=Lifecycle)
    aliases: dict[str, int] = field(default_factory=dict)
    approvers: str = "people"
    trouble: Problem | str | None = None
    broken: set[int] = field(default_factory=set)
    now: float = 0.0
    loaded: list[Model] = field(default_factory=list)

    def version(self, number: int, state: Any, model: str | None = None) -> None:
        entry: Any = SimpleNamespace(
            event=SimpleNamespace(subject={"model": model or f"m{number}"})
        )
        self.life.versions[number] = Version(number, state, [entry])

    def view(self) -> Any:
        if isinstance(self.trouble, Problem):
            raise self.trouble
        now = SimpleNamespace(approvers=self.approvers)
        return SimpleNamespace(
            life=self.life, aliases=dict(self.aliases), now=now, trouble=self.trouble
        )

    def load(self, version: Version, _: Any) -> Any:
        if version.number in self.broken:
            raise Problem(f"version {version.number} is refused: not the digest", 1)
        self.loaded.append(Model(version.number, version.subject["model"]))
        return self.loaded[-1]

    def keeper(self, **more: Any) -> Keeper:
        return Keeper(self.view, self.load, 60, clock=lambda: self.now, **more)


def champion(number: int = 1) -> World:
    """A ledger with one champion, and its keeper's world."""
    world = World(aliases={"champion": number})
    world.version(number, "champion")
    return world


def test_the_champion_is_loaded_once_and_kept() -> None:
    # Given a champion, when the ledger is read twice
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    keeper.refresh()
    # Then it was loaded once and is what answers
    assert [one.number for one in world.loaded] == [1]
    assert keeper.lineup.champion is world.loaded[0]


def test_nothing_answers_before_the_ledger_was_read() -> None:
    # Given a service that just started, or whose remote has not answered yet
    world = champion()
    keeper = world.keeper()
    assert (keeper.lineup.champion, keeper.lineup.why) == (None, "the ledger has not been read yet")
    world.trouble = "cannot fetch the ledger"
    keeper.refresh()
    # Then there is no champion, and the reason is said
    assert (keeper.lineup.champion, keeper.lineup.why) == (None, "cannot fetch the ledger")


def test_a_version_that_was_rolled_back_stops_at_once_even_if_the_other_cannot_be_loaded() -> None:
    # Given version 2 in service, when it is rolled back to a version whose file was changed
    world = champion(2)
    world.version(1, "retired")
    keeper = world.keeper()
    keeper.refresh()
    world.version(1, "champion")
    world.version(2, "quarantined")
    world.broken = {1}
    keeper.refresh()
    # Then neither answers, and the reason names the file
    assert keeper.lineup.champion is None
    assert keeper.lineup.why == "version 1 is refused: not the digest"
    assert world.loaded[0].closed


def test_a_rolled_back_version_does_not_answer_while_the_other_is_loaded() -> None:
    # Given version 2 in service and a slow disk, when version 2 is rolled back
    world = champion(2)
    keeper = world.keeper()
    keeper.refresh()
    seen: list[Any] = []

    def slow(version: Version, view: Any) -> Any:
        seen.append(keeper.lineup.champion)
        return world.load(version, view)

    keeper._load = slow
    world.version(1, "champion")
    world.version(2, "quarantined")
    keeper.refresh()
    # Then nothing answered meanwhile, and version 1 does now
    assert seen == [None]
    assert keeper.lineup.champion is world.loaded[-1]
    assert world.loaded[-1].number == 1


def test_a_promoted_version_replaces_the_champion_without_a_gap() -> None:
    # Given version 1 in service, when version 2 is promoted
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    seen: list[Any] = []

    def slow(version: Version, view: Any) -> Any:
        seen.append(keeper.lineup.champion)
        return world.load(version, view)

    keeper._load = slow
    world.version(1, "retired")
    world.version(2, "champion")
    keeper.refresh()
    # Then version 1 answered until version 2 was loaded, and is closed
    assert seen == [world.loaded[0]]
    assert keeper.lineup.champion is world.loaded[1]
    assert world.loaded[0].closed


def test_a_champion_is_verified_again_when_alias_or_approvers_change() -> None:
    # Given a champion in service, when the alias moves, the files are intact
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    world.aliases = {"champion": 7}
    keeper.refresh()
    assert [one.number for one in world.loaded] == [1, 1]
    # And when the approvers change and the signature no longer counts
    world.approvers, world.broken = "others", {1}
    keeper.refresh()
    # Then it no longer answers
    assert keeper.lineup.champion is None
    assert "version 1 is refused" in keeper.lineup.why


def test_a_silent_remote_is_tolerated_for_the_configured_time_only() -> None:
    # Given a champion in service whose remote is silent from now on
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    world.trouble, world.now = "cannot fetch the ledger", 60.0
    keeper.refresh()
    assert keeper.lineup.champion is not None
    # When more time passes than is allowed, even without another look
    world.now = 61.0
    # Then nothing answers, and the reason says since when
    assert keeper.lineup.champion is None
    assert keeper.lineup.why == "the ledger was last read 61 seconds ago (cannot fetch the ledger)"
    # And when the remote answers again, so does the champion
    world.trouble = None
    keeper.refresh()
    assert keeper.lineup.champion is not None


def test_a_rollback_in_this_clone_counts_although_the_remote_is_silent() -> None:
    # Given a champion in service whose remote is silent, when it is rolled back here
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    world.trouble = "cannot fetch the ledger"
    world.version(1, "quarantined")
    keeper.refresh()
    # Then nothing answers
    assert keeper.lineup.champion is None
    assert keeper.lineup.why == "the ledger has no champion"


def test_a_rewritten_ledger_stops_the_service_at_once() -> None:
    # Given a champion in service, when the ledger lost an event that others remember
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    world.trouble = Problem("the ledger differs from what other copies remember", 1)
    keeper.refresh()
    # Then nothing answers
    assert keeper.lineup.champion is None
    assert "differs from what other copies remember" in keeper.lineup.why


def test_a_canary_is_loaded_while_the_ledger_has_one_and_it_is_approved() -> None:
    # Given a champion, and an approved version that the ledger tries on a tenth of the subjects
    world = champion()
    world.version(2, "approved")
    world.life.canary = Canary(version=2, share=10, step=1, since="2026-12-01T00:00:00Z")
    keeper = world.keeper()
    keeper.refresh()
    assert (keeper.lineup.canary, keeper.lineup.share) == (world.loaded[1], 10)
    # When its file turns out to be another, then nobody gets its answers
    world.broken = {2}
    world.version(2, "approved", "m9")
    keeper.refresh()
    assert (keeper.lineup.canary, keeper.lineup.share) == (None, 0.0)
    # And when it is reverted, it is closed
    world.life.canary = None
    keeper.refresh()
    assert keeper.lineup.canary is None
    assert world.loaded[1].closed
    assert keeper.lineup.champion is world.loaded[0]


def test_what_cannot_be_loaded_for_any_reason_does_not_answer() -> None:
    # Given a champion in service, when its approvers change and loading it breaks unexpectedly
    world = champion()
    keeper = world.keeper()
    keeper.refresh()

    def broken(_: Any, __: Any) -> Any:
        raise TypeError("no such class")

    keeper._load, world.approvers = broken, "others"
    keeper.refresh()
    # Then it no longer answers, and the reason is said
    assert (keeper.lineup.champion, keeper.lineup.why) == (None, "no such class")
    # And a ledger that breaks unexpectedly counts as one that was not read
    world.trouble, keeper._view = None, broken_view
    world.now = 61.0
    assert keeper.refresh() is None
    assert "RuntimeError: the disk" in (keeper.last.trouble or "")


def broken_view() -> Any:
    """Fail as a broken disk does."""
    raise RuntimeError("the disk")


def test_a_canary_whose_revert_was_not_recorded_answers_nobody() -> None:
    # Given a canary, when the service ends it although the ledger still has it
    world = champion()
    world.version(2, "approved")
    world.life.canary = Canary(version=2, share=10, step=1, since="2026-12-01T00:00:00Z")
    keeper = world.keeper()
    keeper.refresh()
    keeper.end_canary(2, "2026-12-01T00:00:00Z")
    # Then it answers nobody from now on, and neither after the next look
    assert (keeper.lineup.canary, keeper.lineup.share) == (None, 0.0)
    keeper.refresh()
    assert keeper.lineup.canary is None
    assert keeper.lineup.champion is world.loaded[0]
    # And a step that begins later is another one
    world.life.canary = Canary(version=2, share=10, step=1, since="2026-12-02T00:00:00Z")
    keeper.refresh()
    assert keeper.lineup.canary is not None


def test_a_shadow_is_asked_only_while_it_waits() -> None:
    # Given a champion, and a challenger in shadow
    world = champion()
    world.version(2, "pending_review")
    keeper = world.keeper(shadow=2)
    keeper.refresh()
    assert keeper.lineup.shadow is world.loaded[1]
    # When the challenger is rejected, then it is no longer asked
    world.version(2, "rejected")
    keeper.refresh()
    assert keeper.lineup.shadow is None
    assert keeper.lineup.champion is world.loaded[0]
    assert world.loaded[1].closed


def test_a_model_whose_process_has_ended_is_loaded_again() -> None:
    # Given a champion, when its process ends
    world = champion()
    keeper = world.keeper()
    keeper.refresh()
    world.loaded[0].ended = True
    # Then nothing answers, until it is loaded again
    assert keeper.lineup.champion is None
    assert keeper.lineup.why == "the process of the champion's model has ended"
    keeper.refresh()
    assert keeper.lineup.champion is world.loaded[1]
    assert world.loaded[0].closed
    # And if that fails, nothing answers
    world.loaded[1].ended = True
    world.broken.add(1)
    keeper.refresh()
    assert keeper.lineup.champion is None
    assert "is refused" in keeper.lineup.why


def test_a_shadow_whose_process_has_ended_is_loaded_again() -> None:
    world = champion()
    world.version(2, "approved")
    keeper = world.keeper(shadow=2)
    keeper.refresh()
    before = keeper.lineup.shadow
    assert before is not None
    world.loaded[1].ended = True
    keeper.refresh()
    after = keeper.lineup.shadow
    assert after is not None
    assert (after.number, after is before) == (2, False)

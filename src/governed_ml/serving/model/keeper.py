"""Keep the served models equal to what the ledger says: load, verify, replace and stop them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from governed_ml.core.problem import NO_ANSWER, Problem, first_line
from governed_ml.ledger.lifecycle import Lifecycle, State, Version
from governed_ml.registry.versions import CHAMPION
from governed_ml.serving.model.ledger_view import LedgerView
from governed_ml.serving.model.served_model import ServedModel

IN_SHADOW: tuple[State, ...] = ("pending_review", "approved")
"""States in which a version may be asked in shadow: nobody gets its answers."""
AS_CANARY: tuple[State, ...] = ("approved",)
"""The state in which a version may answer people before it is champion."""
UNREAD = "the ledger has not been read yet"


@dataclass(frozen=True)
class Lineup:
    """The loaded models. `why` says why there is no champion to answer with.

    `share` is the percentage of the subjects that the canary answers.
    """

    champion: ServedModel | None = None
    shadow: ServedModel | None = None
    canary: ServedModel | None = None
    share: float = 0.0
    why: str = UNREAD

    @property
    def loaded(self) -> list[ServedModel]:
        """Return every model."""
        return [one for one in (self.champion, self.shadow, self.canary) if one is not None]


@dataclass(frozen=True)
class Refreshed:
    """How the last look at the ledger went: when it succeeded, and what failed since."""

    succeeded_at: float | None = None
    trouble: str | None = None
    failures: int = 0


class Keeper:
    """Holds the lineup that the service answers with.

    `refresh` is called in one thread at a time; `lineup` may be read by every thread.
    """

    def __init__(
        self,
        view: Callable[[], LedgerView],
        load: Callable[[Version, LedgerView], ServedModel],
        offline_seconds: float,
        *,
        shadow: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with no model. `view` reads the ledger, and `load` verifies and loads a version."""
        self._view, self._load, self._clock = view, load, clock
        self._offline, self._shadow = offline_seconds, shadow
        self._lineup, self.last = Lineup(), Refreshed()
        self._verified: tuple[object, ...] | None = None
        self._reverted: tuple[int, str] | None = None
        self._only_one = threading.Lock()

    @property
    def lineup(self) -> Lineup:
        """Return the models to answer with; none if the ledger was not read for too long."""
        read = self.last.succeeded_at
        if read is None:
            return Lineup(why=self.last.trouble or UNREAD)
        silent = self._clock() - read
        if silent > self._offline:
            trouble = f" ({self.last.trouble})" if self.last.trouble else ""
            return Lineup(why=f"the ledger was last read {silent:.0f} seconds ago{trouble}")
        if self.ended:
            return Lineup(why="the process of the champion's model has ended")
        return self._lineup

    @property
    def ended(self) -> bool:
        """Whether the champion's own process has ended, so that it must be loaded again."""
        champion = self._lineup.champion
        return champion is not None and champion.ended

    def refresh(self) -> LedgerView | None:
        """Read the ledger, and load what it calls champion. Return what it says, if anything."""
        with self._only_one:
            try:
                view = self._view()
            except Problem as problem:
                self._failed(str(problem))
                if problem.exit_code != NO_ANSWER:
                    self._swap(Lineup(why=str(problem)))
                return None
            except Exception as error:  # noqa: BLE001 - whatever it is, the ledger was not read
                self._failed(f"{type(error).__name__}: {first_line(error)}")
                return None
            if view.trouble is None:
                self.last = Refreshed(self._clock())
            else:
                self._failed(view.trouble)
            self._swap(self._next(view))
            return view

    def end_canary(self, number: int, since: str) -> None:
        """Let a canary answer nobody in the step that began then, whatever the ledger says."""
        with self._only_one:
            self._reverted = (number, since)
            self._swap(replace(self._lineup, canary=None, share=0.0))

    def close(self) -> None:
        """Free every model."""
        with self._only_one:
            self._swap(Lineup(why="the service is stopping"))

    def _failed(self, why: str) -> None:
        self.last = replace(self.last, trouble=why, failures=self.last.failures + 1)

    def _next(self, view: LedgerView) -> Lineup:
        """Return the lineup that the ledger asks for."""
        wanted, now = view.life.champion, self._lineup
        if wanted is None:
            return Lineup(why="the ledger has no champion")
        if now.champion is not None and not is_same(now.champion, wanted):
            if not _may_stay(now.champion, view.life):
                self._swap(Lineup(why=f"version {now.champion.number} is no longer champion"))
            now = self._lineup
        marks = (view.aliases.get(CHAMPION), view.now.approvers)
        if not _is_loaded(now.champion, wanted) or marks != self._verified:
            try:
                found = self._load(wanted, view)
            except Exception as error:  # noqa: BLE001 - what cannot be verified is not served
                print(f"serve: {first_line(error)}", file=sys.stderr)
                return Lineup(why=first_line(error))
            self._verified = marks
            now = replace(now, champion=found, why="")
        running = view.life.canary
        if running is not None and (running.version, running.since) == self._reverted:
            running = None
        canary = self._tried(view, now.canary, running.version if running else None, AS_CANARY)
        return replace(
            now,
            shadow=self._tried(view, now.shadow, self._shadow, IN_SHADOW),
            canary=canary,
            share=running.share if running and canary else 0.0,
        )

    def _tried(
        self,
        view: LedgerView,
        now: ServedModel | None,
        wanted: int | None,
        states: tuple[State, ...],
    ) -> ServedModel | None:
        """Return a version beside the champion, loaded, as long as its state allows it."""
        version = view.life.versions.get(wanted) if wanted is not None else None
        if version is None or version.state not in states:
            return None
        if _is_loaded(now, version):
            return now
        try:
            return self._load(version, view)
        except Exception as error:  # noqa: BLE001 - what cannot be verified is not tried
            print(
                f"serve: version {version.number} is not tried: {first_line(error)}",
                file=sys.stderr,
            )
            return None

    def _swap(self, lineup: Lineup) -> None:
        """Replace the lineup, then free the models that it no longer has."""
        before, self._lineup = self._lineup, lineup
        kept = {id(one) for one in lineup.loaded}
        for one in before.loaded:
            if id(one) not in kept:
                one.close()


def is_same(model: ServedModel, version: Version) -> bool:
    """Return whether a loaded model is this version, by number and by its model's digest."""
    return (model.number, model.digest) == (version.number, version.subject["model"])


def _is_loaded(model: ServedModel | None, version: Version) -> bool:
    """Return whether a model is this version and answers."""
    return model is not None and is_same(model, version) and not model.ended


def _may_stay(model: ServedModel, life: Lifecycle) -> bool:
    """Return whether a former champion may answer until the new one is loaded.

    It may if it was replaced by a promotion, and may not if it was rolled back.
    """
    version = life.versions.get(model.number)
    return version is not None and version.state == "retired" and is_same(model, version)

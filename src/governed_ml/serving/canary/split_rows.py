"""The rows of a step that can be compared: those of subjects, each answered by one of two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from governed_ml.serving.canary.log_rows import LoggedArms
from governed_ml.serving.canary.split import SplitArm

if TYPE_CHECKING:
    import pandas as pd

ARMS: tuple[SplitArm, ...] = ("champion", "canary")


@dataclass(frozen=True)
class SplitRows:
    """Rows of both arms, sorted by time, with the codes of subjects in `person`.

    `failed` says whether there is no answer. `attributes` are aligned with the rows.
    """

    frame: pd.DataFrame
    attributes: pd.DataFrame
    notes: list[str]

    def counts(self) -> dict[SplitArm, int]:
        """Return arm → number of rows."""
        return {arm: int((self.frame["arm"] == arm).sum()) for arm in ARMS}

    def of(self, arm: str) -> pd.DataFrame:
        """Return the rows of one arm."""
        return self.frame[self.frame["arm"] == arm]

    def first(self, size: int) -> SplitRows:
        """Return the rows up to the moment at which each arm had at least `size` rows."""
        moments = [self.of(arm)["predicted_at"].iloc[size - 1] for arm in ARMS]
        kept = self.frame["predicted_at"] <= max(moments)
        return SplitRows(self.frame[kept], self.attributes[kept], self.notes)


def comparable(found: LoggedArms) -> SplitRows:
    """Return the rows that can be compared, and remarks about the others.

    A request without a subject always goes to the champion, so it is left out. So is an answer that
    the champion gave because the canary failed.
    """
    import pandas as pd

    frame = found.frame
    named = frame["subject"].fillna("").str.strip() != ""
    tried = frame.loc[frame["arm"] == "canary", "request_id"]
    instead = (frame["arm"] == "champion") & frame["request_id"].isin(tried)
    counts = {
        "rows without a subject, left out": int((~named).sum()),
        "rows that the champion answered because the canary failed, left out": int(
            (named & instead).sum()
        ),
    }
    kept = named & ~instead
    frame = frame[kept]
    frame = frame.assign(
        person=pd.factorize(frame["subject"])[0],
        failed=frame["error"].notna() | frame["prediction"].isna(),
    )
    notes = [f"{say}: {n:,}" for say, n in counts.items() if n]
    return SplitRows(frame, found.attributes[kept], notes)

"""How many rows are missing, worked out from what a rule's reason says (pure).

An interval is about as wide as 1/√n. So if it reaches w from the value towards the limit, and the
limit is d away, about n · (w / d)² rows of the smallest group would decide the rule.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from governed_ml.policy.decision import RuleResult
from governed_ml.policy.fixes.known import Known
from governed_ml.policy.limits import beyond

SMALLEST = re.compile(r"smallest group (?P<group>.+) \(n=(?P<n>[\d,]+)(?: (?P<unit>[^)]+))?\)")
LACKING = re.compile(
    r"(?P<what>no test rows|no positives|no negatives|no selected|no rows (?:of|predicted) .+?|"
    r"one row only|one person only) in group (?P<groups>.+?)(?P<more> and \d+ more)?(?:;|$)"
)
TWO_GROUPS = re.compile(
    r"fewer than two groups with (?P<wanted>\d+) rows to learn from and to judge: (?P<sizes>.+)"
)
SIZE = re.compile(r"(?:^|, | and )(?P<group>.+?) \((?P<n>[\d,]+)\)")
TOO_FEW = re.compile(r"^rests on (?P<n>\d+|None) rows, at least (?P<wanted>\d+) wanted")
SKEWED = re.compile(
    r"mean of group (?P<group>.+) \(n=(?P<n>[\d,]+)\): bounds would need about (?P<wanted>[\d,]+)"
    r"(?: (?P<unit>persons))?"
)
UNITS = {
    "": "test rows",
    "positives": "positive test rows",
    "negatives": "negative test rows",
    "selected": "selected test rows",
    "persons": "persons in the test rows",
}
"""Unit in a note → what it is for people."""
HALVES = "rows to learn and to judge the proxies by"
RARER = "test rows of the rarer class"
RAREST = re.compile(r"rows are of the rarest (?P<which>class .+?)(?:;|$)")
TEST_ROWS = "split.rows_test"
MANY = 1_000_000
"""More rows than a team can be asked for: then another fix is better."""


class Shortage(NamedTuple):
    """A group (or "", the test rows) with too few rows for a rule: how many it has and needs."""

    group: str
    unit: str
    there: int
    needed: int
    roughly: bool
    others: str = ""

    @property
    def missing(self) -> int:
        """Return how many rows are missing, with two digits if that is an estimate."""
        return about(self.needed - self.there) if self.roughly else self.needed - self.there

    def sentence(self, attribute: str = "") -> str:
        """Say how many rows of which group are missing."""
        whose = f" of group {self.group}" if self.group else ""
        whose += f" ({attribute})" if self.group and attribute else ""
        if self.needed > MANY:
            return (
                f"More than {MANY:,} {self.unit}{whose} would be needed, because the value is very "
                f"near to the limit: there are {self.there:,}."
            )
        much = "About " if self.roughly else ""
        verb = "is" if self.missing == 1 else "are"
        there = "is" if self.there == 1 else "are"
        if self.roughly and self.group:
            return (
                f"{much}{self.missing:,} more {self.unit}{whose} {verb} missing: there {there} "
                f"{self.there:,}, and every group needs about {about(self.needed):,}."
            )
        same = f" The same holds for {self.others}." if self.others else ""
        wanted = about(self.needed) if much else self.needed
        return (
            f"{much}{self.missing:,} more {self.unit}{whose} {verb} missing: there {there} "
            f"{self.there:,} of {much.lower()}{wanted:,}.{same}"
        )


def about(number: int) -> int:
    """Return a number with its two leading digits, rounded up."""
    place = 10 ** max(0, len(str(number)) - 2)
    return math.ceil(number / place) * place


def shortage(rule: RuleResult, known: Known) -> Shortage | None:
    """Return how many rows are missing to decide a rule, or None if rows are not what it lacks."""
    policy = known.rule(rule.id)
    least = policy.minimum_n if policy and policy.minimum_n else 1
    if rule.verdict == "fail":
        return _test_rows(rule, known)
    if lacking := LACKING.search(rule.reason):
        unit = lacking["what"].removeprefix("no ")
        one = unit.startswith("one ")
        words = UNITS["persons" if "person" in unit else ""] if one else UNITS.get(unit, unit)
        group, _, others = lacking["groups"].partition(", ")
        others += lacking["more"] or ""
        return Shortage(group, words, int(one), max(least, 1 + one), False, others)
    if two := TWO_GROUPS.search(rule.reason):
        sizes = [
            (one["group"], int(one["n"].replace(",", ""))) for one in SIZE.finditer(two["sizes"])
        ]
        group, n = sorted(sizes, key=lambda one: -one[1])[1] if len(sizes) > 1 else ("a second", 0)
        return Shortage(group, HALVES, n, max(int(two["wanted"]), n + 1), False)
    if skewed := SKEWED.search(rule.reason):
        n, wanted = (int(skewed[name].replace(",", "")) for name in ("n", "wanted"))
        unit = UNITS[skewed["unit"] or ""]
        return Shortage(skewed["group"], unit, n, max(wanted, n + 1), True)
    smallest = SMALLEST.search(rule.reason)
    group, unit = (smallest["group"], smallest["unit"] or "") if smallest else ("", "")
    words = UNITS.get(unit, f"{unit} in the test rows")
    if few := TOO_FEW.match(rule.reason):
        n = 0 if few["n"] == "None" else int(few["n"])
        if not smallest and (rarest := RAREST.search(rule.reason)):
            words = f"test rows of {rarest['which']}"
        words = words if smallest else RARER if "of the rarer class" in rule.reason else words
        return Shortage(group, words, n, int(few["wanted"]), False)
    factor = factor_to_decide(rule)
    if factor is None:
        return None
    there = int(smallest["n"].replace(",", "")) if smallest else _tested(known)
    if not there:
        return None
    needed = math.ceil(min(there * factor, 10.0 * MANY)) if factor > 1 else there + 1
    return Shortage(group, words, there, max(needed, least, there + 1), True)


def factor_to_decide(rule: RuleResult) -> float | None:
    """Return how many times as many rows would about decide a rule whose interval has the limit."""
    if rule.interval is None or rule.value is None or rule.limit is None:
        return None
    lower, upper = rule.interval
    if not lower <= rule.limit <= upper:
        return None
    above = beyond(rule.value, rule.limit, "at_most")
    width = rule.value - lower if above else upper - rule.value
    distance = abs(rule.value - rule.limit)
    return (width / distance) ** 2 if distance > 0 else float("inf")


def _test_rows(rule: RuleResult, known: Known) -> Shortage | None:
    """Return how many test rows are missing, if the rule is about their number."""
    policy = known.rule(rule.id)
    mine = policy.metric == TEST_ROWS if policy else rule.id == "split.test_rows"
    if not mine or rule.value is None or rule.limit is None or rule.value >= rule.limit:
        return None
    return Shortage("", UNITS[""], int(rule.value), math.ceil(rule.limit), False)


def _tested(known: Known) -> int:
    split = known.evidence.get("split")
    return 0 if split is None else int(split.body.rows.get("test", 0))

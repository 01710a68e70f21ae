"""Which version answers a request: the champion or the canary, always the same for one subject."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

SplitArm = Literal["champion", "canary"]
BITS = 53  # of a float, so that no place is rounded to 1


def arm_of(subject: str | None, canary: str, share: float) -> SplitArm:
    """Return who answers a subject, if a canary answers `share` percent of the subjects.

    `canary` is the digest of the canary's model. The answer depends on nothing else, so every
    process gives the same. A larger share only adds subjects. Other canaries get other subjects. A
    request without a subject goes to the champion.
    """
    name = (subject or "").strip()
    if not name or share <= 0:
        return "champion"
    return "canary" if place_of(name, canary) < share / 100 else "champion"


def pseudonym(subject: str | None) -> str | None:
    """Return what the log has in place of a subject: the same for the same subject, or None.

    It hides the name from who reads the log, and not from who tries all names.
    """
    name = (subject or "").strip()
    if not name:
        return None
    return hashlib.sha256(f"subject {name}".encode(errors="surrogatepass")).hexdigest()[:32]


def place_of(subject: str, canary: str) -> float:
    """Return a subject's place, from 0 to below 1, of which a canary has the first part."""
    found = hmac.digest(canary.encode(), subject.encode(errors="surrogatepass"), hashlib.sha256)
    return (int.from_bytes(found[:8]) >> (64 - BITS)) / 2**BITS

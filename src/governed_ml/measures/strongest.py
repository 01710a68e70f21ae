"""Find the features with the largest effect, without trying each of thousands alone."""

from __future__ import annotations

import heapq
from collections.abc import Callable

EACH = 200  # most features of which each is tried alone
PARTS = 16  # blocks into which features, and then each strong block, are divided


def strongest(
    names: list[str], effect: Callable[[list[str]], float], most: int
) -> list[tuple[str, float]]:
    """Return the features with the largest effects, largest first, ties in the order of `names`.

    `effect` takes the features that are changed together. Up to `EACH` features are tried one by
    one, and all are returned. Of more, blocks are tried, and the block with the largest effect is
    divided until `most` single features are found. A block may have a smaller effect than one of
    its features, so `how_found` belongs in the note of a metric that names them.
    """
    if len(names) <= EACH:
        alone = [(name, effect([name])) for name in names]
        return sorted(alone, key=lambda item: -item[1])
    found: list[tuple[str, float]] = []
    blocks = [(0.0, 0, names)]
    while blocks and len(found) < most:
        least, place, block = heapq.heappop(blocks)
        if len(block) == 1:
            found.append((block[0], -least))
            continue
        size = -(-len(block) // PARTS)
        for start in range(0, len(block), size):
            part = block[start : start + size]
            heapq.heappush(blocks, (-effect(part), place + start, part))
    return found


def how_found(features: int) -> str:
    """Return how `strongest` found features, for a note; empty if each was tried alone."""
    return f"; searched in blocks of the {features:,} features" if features > EACH else ""

"""Small pictures in SVG, drawn from numbers. Colours are CSS classes, for the dark mode.

Each picture is beside a table of the same numbers, or has a text that describes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

Point = tuple[float, float]
SIDE, LEFT, BOTTOM = 300, 46, 40  # of a square plot, and what its axes take of it


def svg(width: float, height: float, parts: Sequence[str | Markup], said: str = "") -> Markup:
    """Return a picture; `said` is its alternative text, without which it counts as decoration."""
    title = Markup("<title>{}</title>").format(plain(said)) if said else Markup("")
    role = Markup('role="img"') if said else Markup('aria-hidden="true" focusable="false"')
    return Markup('<svg viewBox="0 0 {:g} {:g}" width="{:g}" height="{:g}" {}>{}{}</svg>').format(
        width, height, width, height, role, title, Markup("").join(parts)
    )


def box(name: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle with a CSS class."""
    return Markup('<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>').format(
        name, x, y, max(width, 0), max(height, 0)
    )


def line(name: str, points: Sequence[Point]) -> Markup:
    """Return a line through points, with a CSS class."""
    way = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(name, way)


def words(name: str, x: float, y: float, text: str, anchor: str = "middle") -> Markup:
    """Return a text with a CSS class."""
    return Markup('<text class="{}" x="{:.2f}" y="{:.2f}" text-anchor="{}">{}</text>').format(
        name, x, y, anchor, plain(text)
    )


def dot(name: str, x: float, y: float, radius: float = 3.5) -> Markup:
    """Return a filled circle with a CSS class."""
    return Markup('<circle class="{}" cx="{:.2f}" cy="{:.2f}" r="{:g}"/>').format(
        name, x, y, radius
    )


def diamond(name: str, x: float, y: float, half: float = 5) -> Markup:
    """Return a diamond with a CSS class; its shape distinguishes it from a dot without colour."""
    corners = ((x, y - half), (x + half, y), (x, y + half), (x - half, y))
    way = " ".join(f"{a:.2f},{b:.2f}" for a, b in corners)
    return Markup('<polygon class="{}" points="{}"/>').format(name, way)


def bar(share: float, name: str = "fill", width: float = 84) -> Markup:
    """Return a bar for a table's cell; `share` is relative to the full width."""
    inside = min(max(share, 0.0), 1.0) * width
    return svg(width, 10, [box("track", 0, 1, width, 8), box(name, 0, 1, inside, 8)])


def bar_of_sign(share: float, width: float = 84) -> Markup:
    """Return a bar that extends to the left or right of the middle, by the sign of `share`."""
    middle, long = width / 2, min(abs(share), 1.0) * width / 2
    parts = [
        box("track", 0, 1, width, 8),
        box("fill", middle - (long if share < 0 else 0), 1, long, 8),
    ]
    return svg(width, 10, [*parts, line("axis", [(middle, 0), (middle, 10)])])


def limits(
    value: float | None,
    interval: tuple[float, float] | None,
    warn: float | None,
    block: float | None,
    at_most: bool,
    width: float = 160,
) -> Markup:
    """Draw a rule: forbidden and warning range, the value as a diamond, its bounds as a line."""
    given = [one for one in (value, warn, block, *(interval or ())) if one is not None]
    low, high = min(*given, 0.0), max(*given, 0.0)
    if all(0 <= one <= 1 for one in given) and high > 0.5:
        high = 1.0
    spread = (high - low) or 1.0
    low, high = low - (0.04 * spread if low < 0 else 0), high + (0.08 * spread if high != 1 else 0)

    def at(one: float) -> float:
        return 6 + (one - low) / ((high - low) or 1.0) * (width - 12)

    parts = [box("track", 6, 7, width - 12, 10)]
    for name, limit, other in (("zone-warn", warn, block), ("zone-block", block, None)):
        if limit is not None:
            end = (high if at_most else low) if other is None else other
            start, stop = sorted((at(limit), at(end)))
            parts.append(box(name, start, 7, stop - start, 10))
    for name, limit in (("limit-warn", warn), ("limit", block)):
        if limit is not None:
            parts.append(line(name, [(at(limit), 3), (at(limit), 21)]))
    if interval is not None:
        a, b = (at(one) for one in interval)
        parts.append(line("whisker", [(a, 12), (b, 12)]))
        parts += [line("whisker", [(end, 8), (end, 16)]) for end in (a, b)]
    if value is not None:
        parts.append(diamond("mark", at(value), 12))
    return svg(width, 24, parts)


def plot(
    points: Sequence[Point],
    axes: tuple[str, str],
    said: str,
    *,
    top: Point = (1.0, 1.0),
    start: Point = (0.0, 0.0),
    dots: bool = False,
    diagonal: bool = True,
) -> Markup:
    """Draw a curve, or dots, in a square whose axes run from `start` to `top`."""
    inner = SIDE - LEFT - 14

    def at(point: Point) -> Point:
        x, y = (
            (one - low) / ((high - low) or 1.0)
            for one, low, high in zip(point, start, top, strict=True)
        )
        return LEFT + x * inner, 10 + (1 - y) * inner

    parts: list[Markup] = []
    for step in range(5):
        x, y = (low + step / 4 * (high - low) for low, high in zip(start, top, strict=True))
        parts.append(line("grid", [at((x, start[1])), at((x, top[1]))]))
        parts.append(line("grid", [at((start[0], y)), at((top[0], y))]))
        parts.append(words("tick", at((x, y))[0], inner + 25, f"{x:.3g}"))
        parts.append(words("tick", LEFT - 6, at((x, y))[1] + 4, f"{y:.3g}", "end"))
    if diagonal:
        parts.append(line("chance", [at(start), at(top)]))
    parts.append(line("curve", [at(one) for one in points]))
    parts += [dot("mark", *at(one)) for one in points] if dots else []
    parts.append(words("label", LEFT + inner / 2, inner + 43, axes[0]))
    turned = Markup('<text class="label" transform="translate(11 {:g}) rotate(-90)" '
                    'text-anchor="middle">{}</text>')  # fmt: skip
    parts.append(turned.format(10 + inner / 2, axes[1]))
    return svg(SIDE, inner + 50, parts, said)


def pairs(
    reference: Sequence[float], current: Sequence[float], ends: tuple[str, str], said: str
) -> Markup:
    """Draw two distributions over the same bins: for each bin a hollow and a filled bar."""
    width, height = 300, 96
    highest = max([*reference, *current, 1e-9])
    step = width / max(1, len(reference))
    parts: list[Markup] = []
    for number, (old, new) in enumerate(zip(reference, current, strict=True)):
        x = number * step + step * 0.12
        for name, share, inset, wide in (("now", new, 0.2, 0.36), ("then", old, 0.0, 0.76)):
            tall = share / highest * height
            if share > 0:
                parts.append(box(name, x + step * inset, height - tall + 2, step * wide, tall))
    parts.append(line("axis", [(0, height + 2), (width, height + 2)]))
    parts.append(words("tick", 0, height + 17, ends[0], "start"))
    parts.append(words("tick", width, height + 17, ends[1], "end"))
    return svg(width, height + 22, parts, said)


def histogram(counts: Sequence[int], ends: tuple[str, str], said: str) -> Markup:
    """Draw one distribution: a bar for each bin."""
    width, height, highest = 300, 96, max([*counts, 1])
    step = width / max(1, len(counts))
    parts: list[Markup] = []
    for number, count in enumerate(counts):
        tall = count / highest * height
        if count > 0:
            parts.append(box("fill", number * step + 1, height - tall + 2, step - 2, tall))
    parts.append(line("axis", [(0, height + 2), (width, height + 2)]))
    parts.append(words("tick", 0, height + 17, ends[0], "start"))
    parts.append(words("tick", width, height + 17, ends[1], "end"))
    return svg(width, height + 22, parts, said)


def trend(values: Sequence[float | None], said: str, width: float = 300) -> Markup:
    """Draw a value over windows; windows without a value leave a gap."""
    height, known = 64, [one for one in values if one is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    step = (width - 60) / max(1, len(values) - 1)
    spots = [
        None if one is None else (8 + n * step, 8 + (high - one) / (high - low) * (height - 16))
        for n, one in enumerate(values)
    ]
    parts: list[Markup] = [line("axis", [(2, height), (width - 46, height)])]
    parts += [line("curve", [a, b]) for a, b in pairwise(spots) if a and b]
    parts += [dot("mark", *one, 2.5) for one in spots if one]
    for one, y in ((high, 12), (low, height - 4)):
        parts.append(words("tick", width - 42, y, f"{one:.4g}", "start"))
    return svg(width, height + 6, parts, said)


def plain(text: object) -> str:
    """Return text without control characters and without characters that change its direction."""
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}"
        for one in str(text)
    )

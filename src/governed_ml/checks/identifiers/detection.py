"""Detect direct identifiers in text, by pattern and check digits.

The libraries for this (phonenumbers, python-stdnum) are imported only once a pattern matches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from governed_ml.checks.identifiers import national_ids
from governed_ml.core.problem import Problem

EMAIL = re.compile(
    r"(?<![\w.%+-])[\w.%+-]{1,64}@((?:[\w-]{1,63}\.)+[A-Za-z]{2,24})(?![\w-]|\.\w|@)"
)
# Endings of file names such as logo@2x.png, which are not e-mail addresses.
SUFFIXES = re.compile(
    r"\.(?:avif|cfg|css|csv|gif|gz|html?|ico|ipynb|jpe?g|js|json|lock|map|mjs|parquet|pdf|png|scss|"
    r"svg|toml|tsx?|txt|webp|whl|xml|ya?ml)$",
    re.IGNORECASE,
)
IN_ADDRESS = re.compile(r"://[^\s/@?#&]*$")  # the part of a URL before user@host
IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30})(?![A-Za-z0-9]))"
)
CARD = re.compile(
    r"(?<![\w.+-])(?:\d{14,19}|(?<!\d )\d{4}(?:[ .-]\d{4,6}){2,3}(?:[ .-]\d{3})?(?! \d))"
    r"(?!\w|[.-]\w)"
)
GROUPS = ([4, 4, 4, 4], [4, 6, 5], [4, 6, 4], [4, 4, 4, 4, 3])
PHONE = re.compile(
    r"(?<![\w+./])(?:\+|00 ?(?=\d{1,3}[ ./-]))[1-9](?:[ ().\-/]{0,3}\d){6,14}(?!\w|[.-]\w)"
)
DECIMAL = re.compile(r"\+\d+\.\d+")
AMERICAN = re.compile(
    r"(?<![\w.+-])(?:(?:\([2-9]\d\d\) ?[2-9]\d\d|[2-9]\d\d-[2-9]\d\d)-|[2-9]\d\d\.[2-9]\d\d\.)\d{4}"
    r"(?!\w|[.-]\w)"
)
NATIONAL = re.compile(r"(?<![\w.+-])\(?\d(?:[ ().\-/]{0,2}\d){6,13}(?!\w|[.-]\w)")
PHONE_WORDS = re.compile(
    r"(?<![^\W\d_])(?:(?:tele|mobile|cell|work|home)?phones?|telefon\w*|t[eé]l(?:[eé]phone)?|handy|"
    r"mobile?|movil|móvil|fax|whatsapp|call (?:me|us))(?![^\W\d_])",
    re.IGNORECASE,
)
REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "NO", "DK", "FI"),
    *("PL", "PT", "IE", "CZ", "RO", "IN", "BR", "AU"),
)
IPV4 = re.compile(r"(?<![\w.+-])(?<!\w/)(?:\d{1,3}\.){3}\d{1,3}(?!\w|[.+-]\w|/\d)")
IPV6 = re.compile(
    r"(?<![\w:.])[23][0-9a-f]{3}:(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{0,4}(?![\w:]|/\d)", re.I
)
# Text directly before four numbers that are not an IP address.
VERSION = re.compile(
    r"(?:(?<!con)version|release|build)s?\W{0,4}(?:(?:is|of|no|number|to|from)\W{1,3}){0,2}$|"
    r"\bv\.?\s*$|(?:[=<>~!]=|\s[<>]|[~^])\s*['\"]?$|#\s+$|"
    r"(?:§|\b(?:section|chapter|clause|para(?:graph)?|figure|table|oid))\s*:?\s*$",
    re.IGNORECASE,
)
DAY = re.compile(r"(?:19|20)\d\d[-/.]?(?:0[1-9]|1[0-2])[-/.]?(?:0[1-9]|[12]\d|3[01])(?!\d)")
# Every identifier has an @, six digits, or the dots or colons of an IP address.
WORTH = re.compile(
    r"@|\d(?:[^\d\n]{0,3}\d){5}|\d\.\d{1,3}\.\d{1,3}\.\d|[23][0-9a-f]{3}:[0-9a-f]{0,4}:",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W\d_]{3}")
NEAR = 60  # characters before an identifier that are searched for a telling word


class Hit(NamedTuple):
    """A detected identifier: its kind, its line (from 0), and its text."""

    kind: str
    line: int
    written: str


Test = Callable[[str, re.Match[str], str], int]
"""(text, match, the text before it) → the end of the identifier in the text, or 0 if it is none."""


def find(lines: list[str], about: str = "") -> Iterator[Hit]:
    """Yield the identifiers in lines. `about` (a header or column name) describes the content."""
    numbers = [number for number, line in enumerate(lines) if WORTH.search(line)]
    text = "\n".join(lines[number] for number in numbers)
    starts = list(accumulate((len(lines[number]) + 1 for number in numbers), initial=0))
    taken: dict[int, list[tuple[int, int]]] = {}
    for kind, pattern, test in _kinds(text, about) if numbers else ():
        for match in pattern.finditer(text):
            start, index = match.start(), bisect_right(starts, match.start()) - 1
            end = test(text, match, text[max(starts[index], start - NEAR) : start])
            mine = taken.setdefault(index, [])
            if end and not any(start < b and a < end for a, b in mine):
                mine.append((start, end))
                yield Hit(kind, numbers[index], text[start:end])


def _kinds(text: str, about: str) -> Iterator[tuple[str, re.Pattern[str], Test]]:
    """Yield the kinds to look for, the most certain first; a match is not reported twice."""
    yield "e-mail address", EMAIL, _email
    yield "IBAN", IBAN, _iban
    yield "payment card", CARD, _card
    yield "phone number", PHONE, _international
    told = f"{about}\n{text}" if WORD.search(text) else about
    for one in national_ids.IDS:
        if not one.words or national_ids.words(one).search(told):
            yield one.name, national_ids.pattern(one), _national_id(one, about)
    yield "phone number", AMERICAN, _american
    if PHONE_WORDS.search(told):
        yield "phone number", NATIONAL, _phone(about)
    yield "IP address", IPV4, _ip
    yield "IP address", IPV6, _ip


def masked(written: str) -> str:
    """Return an identifier with most characters hidden, enough to recognise but not to use it."""
    return f"{written[0]}…{written[-1]}"


def _email(text: str, match: re.Match[str], before: str) -> int:
    is_remote = match[0].startswith("git@") and text[match.end() : match.end() + 1] == ":"
    if is_remote or SUFFIXES.search(match[1]) or IN_ADDRESS.search(before):
        return 0
    return match.end()


def _iban(text: str, match: re.Match[str], before: str) -> int:
    parts = re.split(r"([ -])", match[1])
    iban = _library("stdnum.iban")
    for count in range(len(parts), 0, -2):  # tries fewer words, because other text may follow
        written = "".join(parts[:count])
        if iban.is_valid(written):
            return match.start() + len(written)
    return 0


def _card(text: str, match: re.Match[str], before: str) -> int:
    groups = [len(one) for one in re.split("[ .-]", match[0])]
    digits = re.sub(r"\D", "", match[0])
    if (len(groups) > 1 and groups not in GROUPS) or not issued(digits):
        return 0
    return match.end() if _library("stdnum.luhn").is_valid(digits) else 0


def issued(digits: str) -> bool:
    """Return whether cards with these leading digits and this length exist (ISO/IEC 7812)."""
    n, two, three, four = len(digits), int(digits[:2]), int(digits[:3]), int(digits[:4])
    if n == 16:
        master = 51 <= two <= 55 or 2221 <= four <= 2720
        discover = four == 6011 or two == 65 or 644 <= three <= 649
        return digits[0] == "4" or master or discover or 3528 <= four <= 3589 or two == 62
    diners = n == 14 and (two in (36, 38, 39) or 300 <= three <= 305)
    return diners or (n == 15 and two in (34, 37)) or (n == 19 and (digits[0] == "4" or two == 62))


def _international(text: str, match: re.Match[str], before: str) -> int:
    if DECIMAL.fullmatch(match[0]):
        return 0
    written = match[0] if match[0][0] == "+" else f"+{match[0][2:]}"
    return match.end() if _is_phone(written, None) else 0


def _american(text: str, match: re.Match[str], before: str) -> int:
    return match.end() if _is_phone(match[0], "US") else 0


def _phone(about: str) -> Test:
    told = bool(PHONE_WORDS.search(about))

    def test(text: str, match: re.Match[str], before: str) -> int:
        if DAY.match(match[0]) or not (told or PHONE_WORDS.search(before)):
            return 0
        return match.end() if any(_is_phone(match[0], region) for region in REGIONS) else 0

    return test


def _is_phone(written: str, region: str | None) -> bool:
    phonenumbers = _library("phonenumbers")
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number))


def _national_id(one: national_ids.NationalId, about: str) -> Test:
    words = national_ids.words(one)
    told = not one.words or bool(words.search(about))

    def test(text: str, match: re.Match[str], before: str) -> int:
        if not told and not words.search(before):
            return 0
        _library("stdnum")
        return match.end() if national_ids.valid(one, match[0]) else 0

    return test


def _ip(text: str, match: re.Match[str], before: str) -> int:
    import ipaddress

    try:
        found = ipaddress.ip_address(match[0])
    except ValueError:
        return 0
    if not found.is_global or found.is_multicast or VERSION.search(before):
        return 0
    return match.end()


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise Problem(f"{name.partition('.')[0]} is missing: run this after `uv sync`") from error

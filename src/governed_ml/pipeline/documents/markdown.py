"""Text in Markdown that is no markup, whatever stands in it: names come from data and people."""

from __future__ import annotations

import re

GAP = "&#8203;"  # a space without width: it ends what would become a link
_ENTITIES = {ord(mark): f"&#{ord(mark)};" for mark in "|$"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
}
_LINKS = re.compile(r"@|:(?=//)|www(?=\.)", re.IGNORECASE)
_MARKS = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_CODE = re.compile(r"[\w.,:;/?@+=%#*()-]+(?: [\w.,:;/?@+=%#*()-]+)*")


def escaped(text: str) -> str:
    """Return text on one line that makes no link, table cell, code, formula or tag.

    A sign that HTML knows becomes an entity, so that it is safe with every renderer of Markdown.
    """
    line = _MARKS.sub(r"\\\g<0>", _line(text).translate(_ENTITIES))
    return _LINKS.sub(lambda mark: mark[0] + GAP, line)


def code(text: str) -> str:
    """Return text as code; as plain text if a sign in it could end the code or a table cell."""
    line = _line(text)
    return f"`{line}`" if _CODE.fullmatch(line) else escaped(line)


def _line(text: str) -> str:
    return " ".join("".join(one for one in text if one.isprintable() or one.isspace()).split())

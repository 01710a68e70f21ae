"""The style sheet of every page, and the digest by which a page allows no other one."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

SHEET = Path(__file__).parent / "page.css"


def style() -> dict[str, str]:
    """Return `style` and `style_digest` for a page's template."""
    from markupsafe import Markup

    sheet = SHEET.read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return {"style": Markup(sheet), "style_digest": digest}  # noqa: S704 - our own file

"""docs/formats.md says what the engine does with every format and kind of column, measured."""

from __future__ import annotations

import format_table
import pytest


@pytest.mark.slow
def test_the_page_about_formats_says_what_the_engine_does() -> None:
    # Given every input format and every kind of column, when all cells are measured again
    found = format_table.measured()
    # Then no value was changed without a word
    assert format_table.wrong(found) == []
    # And the page says so (`python tests/helpers/format_table.py` writes it anew)
    assert format_table.page(found) == format_table.PAGE.read_text(encoding="utf-8")

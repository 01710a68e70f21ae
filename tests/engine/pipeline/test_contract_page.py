"""The page of the data contract: broken expectations first, and every text is escaped."""

from __future__ import annotations

import re
from html import unescape

from governed_ml.core.evidence_bodies import Expectation
from governed_ml.pipeline.contract.contract_page import page

HOSTILE = '<script>x</script> & "y" {{ 1 + 1 }}'


def outcome(name: str | None, *, success: bool) -> Expectation:
    """What became of an expectation of a column."""
    return Expectation(
        type="expect_column_to_exist", column=name, limits="must be there", success=success,
        observed="" if success else HOSTILE, unexpected_count=None, unexpected_percent=None,
    )  # fmt: skip


def test_what_is_broken_comes_first_and_is_counted() -> None:
    # Given a contract of which one expectation is broken, when its page is written
    text = page("own.json", 2, [outcome("a", success=True), outcome("b", success=False)])
    # Then the page says so first, and the table begins with what is broken
    assert "<h1>The data contract is broken</h1>" in text
    assert "1 of 2 expectations in <code>own.json</code> does not hold on 2 rows." in text
    assert re.findall(r"<tr><td>(\w)", text) == ["b", "a"]
    assert re.findall(r"(holds|broken)(?:</span>)?</tr>", text) == ["broken", "holds"]


def test_a_contract_that_holds_says_so() -> None:
    # Given a contract that holds, about the table, when its page is written
    text = page("own.json", 1, [outcome(None, success=True)])
    # Then the page says so, and counts in words that fit
    assert "<h1>The data contract holds</h1>" in text
    assert "1 expectation of <code>own.json</code> holds on 1 row." in text
    assert "<td>(table)<td>" in text


def test_no_text_on_the_page_is_markup() -> None:
    # Given names and observations that are attacks, when the page is written
    text = page(HOSTILE, 2, [outcome(HOSTILE, success=False)])
    # Then they are text, wherever they stand
    assert "<script>" not in text
    assert unescape(text).count(HOSTILE) == 3

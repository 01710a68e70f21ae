"""What people read of a window is text: no name or reason in it is markup or a link."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from due_windows import RULES, window
from hypothesis import given
from hypothesis import strategies as st

from governed_ml.github.workflow_run import workflow_output as actions
from governed_ml.monitoring.actions import issue

# What people read


def test_the_issue_has_verdict_reasons_table_and_picture() -> None:
    # Given a window and those before it, when the text is written
    history = [
        {"window": n, "risk": n * 5.0, "values": {"drift.data[income]": n / 20}} for n in (5, 6)
    ]
    history.append({"window": 7, "risk": None, "values": {"drift.data[income]": 0.31}})
    text = issue.body(window(), history, ["retrain.yml was started"])
    # Then it starts with what happened and what to do, then has the counts and what was done
    happened, todo, counts, *_ = text.split("\n\n")
    assert happened == (
        "🔁 **retrain**: window 7 of version 3 is beyond a limit at which the policy asks for a "
        "retraining."
    )
    assert todo.startswith("**What to do**: review the pull request that the workflow `retrain`")
    assert counts == (
        "The window has 1,000 rows, of which 812 have a label. Its risk score is 37.5 of 100."
    )
    assert "- retrain.yml was started" in text
    # And the table has what is not healthy, worst first, with value and limits
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert [row.split(" | ")[0].split()[-1] for row in rows] == [
        "level", "retrain", "warn", "not_measured",
    ]  # fmt: skip
    assert "| 0.31 | warn 0.1, retrain 0.25 |" in rows[1]
    # And no name or reason is markup, a mention, or another column
    assert "<b>" not in text
    assert "a&#124;b@&#8203;c" in rows[2]
    assert "1 of 4 rules is healthy." in text
    # And the pictures have a bar for each window that has a value, and a line for each limit
    charts = re.findall(r"```mermaid\n(.+?)```", text, re.DOTALL)
    assert [re.findall('title "(.+)"', chart)[0] for chart in charts] == [
        "risk score", "drift.data[income]",
    ]  # fmt: skip
    assert 'x-axis "window" [5, 6]' in charts[0]
    assert (
        "bar [0.25, 0.3, 0.31]\n    line [0.1, 0.1, 0.1]\n    line [0.25, 0.25, 0.25]" in charts[1]
    )


@pytest.mark.parametrize(
    ("found", "happened", "todo"),
    [
        (
            window("healthy"),
            "✅ **healthy**: window 7 of version 3 is within all limits.",
            "nothing",
        ),
        (
            window("healthy", 2, due="rollback", in_a_row=3),
            "window 2 of version 3 is within all limits, but the windows before it ask for more.",
            "check that the workflow `rollback` replaced version 3",
        ),
        (window("warn"), "window 7 of version 3 gives a warning.", "read the reasons"),
        (
            window("rollback", due="retrain", in_a_row=1),
            "is beyond a limit at which the policy asks for a rollback.",
            "review the pull request that the workflow `retrain` opens",
        ),
        (
            window("rollback", in_a_row=3),
            "is beyond a limit at which the policy asks for a rollback.",
            "check that the workflow `rollback` replaced version 3",
        ),
        (
            window("not_measured", reasons=["12 rows"]),
            "❔ **not measured**: window 7 could not be measured",
            "fix what the reasons name",
        ),
        (
            issue.none("the log cannot be read"),
            "❔ **not measured**: no window was measured",
            "fix what the reasons name",
        ),
        (window("rollback", due="none"), "asks for a rollback.", "read the reasons"),
    ],
)
def test_the_issue_says_first_what_happened_and_what_to_do(
    found: dict[str, Any], happened: str, todo: str
) -> None:
    # Given a window of each kind, when the text is written
    first, second, *others = issue.body(found, [], []).split("\n\n")
    # Then a sentence says what happened, and the next one what to do
    assert happened in first
    assert second.startswith(f"**What to do**: {todo}")
    # And every reason is there, and nothing is said of what was not done
    assert all(f"- {issue.plain(one)}" in "\n".join(others) for one in found["reasons"])
    assert "What was done" not in "".join(others)
    assert "\n\n\n" not in issue.body(found, [], ["retrain.yml was started"])


def test_the_issue_counts_in_words_that_fit_and_tells_of_failures() -> None:
    # Given a window of one row, and a line that says what failed, when the text is written
    small = window("rollback", rows=1, labelled=1, in_a_row=1, risk=None)
    text = issue.body(small, [], ["failed: retrain could not be started: 403"])
    # Then the words fit the numbers, and the failure is something to do
    assert (
        "The window has 1 row, of which 1 has a label. 1 window has asked for a rollback." in text
    )
    assert "Its risk score" not in text
    assert 'Something failed: see "What was done".' in text
    # And where nothing failed, nothing is said of it
    good = issue.body(window("rollback", in_a_row=3), [], ["rollback.yml was started"])
    assert "Something failed" not in good
    assert "3 windows in a row have asked for a rollback." in good


# What GitHub makes links of by itself: it looks once while it reads Markdown (URLs, `www.`, mail),
# and once more when entities are characters again (mail, people, teams, issues, other commits).
LINKS = re.compile(r"://|www\.|@[\w-]|#\d|gh-\d|[\w.+-]+@[\w-]+\.\w", re.IGNORECASE)
BAIT = [
    *("https://evil.example/x", "HTTP://evil.example", "ftp://evil.example", "//evil.example"),
    *("www.evil.example", "(WWW.evil.example)", "_www.evil.example", "http://www.evil.example"),
    *("a@evil.example", "mailto:a@evil.example", "xmpp:a@evil.example/x", "&#64;octocat"),
    *("@octocat", "@acme/model-risk", "(@octocat)", "@@octocat", "octocat@a5c3785ed8d6a35868bc"),
    *("#12", "acme/loans#12", "GH-12", "gh-12", "loans#1", "##1", "acme/loans@a5c3785"),
    *(
        "[x](//evil.example)",
        "![x](x)",
        "<b>",
        "`x`",
        "| x |",
        "~~x~~",
        "$x$",
        "# x",
        "[^1]",
        "&lt;",
    ),
]


@pytest.mark.parametrize("text", BAIT)
def test_a_reason_is_escaped_as_plain_text(text: str) -> None:
    # Given text of which Markdown, or GitHub, makes something else, when it is written as plain
    written = actions.plain(f"x {text} y")
    # Then nothing in it is markup, and when entities are characters again there is nothing to link
    read = html.unescape(written)
    assert not LINKS.search(read)
    assert not set(re.sub(r"&#\d+;", "", written)) & set("&<>\\`*[]|~#$")
    # And it reads as it was
    assert read.replace(actions.GAP, "") == f"x {text} y"


@given(st.text(alphabet="whtps:/.@#&;12gGH-aé_\u200b "))
def test_no_combination_of_link_parts_becomes_a_link(text: str) -> None:
    # Given any mixture of what links consist of, when it is written as plain, then it is none
    assert not LINKS.search(html.unescape(actions.plain(text)))


@given(st.text(), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_a_column_name_cannot_break_a_chart(name: str, values: list[float]) -> None:
    # Given any name and any numbers, when a chart is drawn
    chart = issue.xychart(name, list(enumerate(values, 1)), {"warn": values[0]})
    # Then nothing ends its fence, its title or its lists
    lines = chart.split("\n")
    assert lines[0] == "```mermaid"
    assert lines[7] == "```"
    assert chart.count("```") == 2
    assert re.fullmatch(r'    title "[^"`\n]*"', lines[2])
    numbers = r"-?\d+(\.\d+)?"
    assert re.fullmatch(rf'    y-axis "value" {numbers} --> {numbers}', lines[4])
    assert re.fullmatch(rf"    bar \[{numbers}(, {numbers})*\]", lines[5])


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    # Given a thousand rules with long reasons, when the text is written, then GitHub takes it
    rules = [RULES[0] | {"id": f"drift.data[c{n}]", "reason": "x" * 3000} for n in range(1000)]
    text = issue.body(window(rules=rules), [], [])
    assert len(text) < 65_536
    assert text.endswith("… cut here")

"""At a terminal, `init-data` asks about what it cannot know, and again after a slip."""

from __future__ import annotations

from pathlib import Path

import pytest
import strangers

from governed_ml.core.problem import Problem


class Person:
    """Answers questions: the first answer whose key is in the question, one after the other."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, words: str, default: str | None) -> str:
        self.asked.append(words)
        key = next((one for one in self.answers if one in words and self.answers[one]), None)
        return self.answers[key].pop(0) if key else default or "no"


def written(base: Path, encoding: str, remark: str, sep: str = ",") -> Path:
    """Write customers with a remark in an encoding."""
    path = base / "data/source/customers.csv"
    path.parent.mkdir(parents=True)
    strangers.customers(remark=remark).to_csv(path, index=False, encoding=encoding, sep=sep)
    return path


@pytest.mark.parametrize(
    ("encoding", "remark", "also"),
    [("cp1252", "M\u00fcller", "cp1251"), ("cp1251", "\u041c\u043e\u0441", "cp1252")],
)
def test_an_encoding_is_chosen_from_the_texts_that_it_gives(
    base: Path, encoding: str, remark: str, also: str
) -> None:
    # Given a table that is not UTF-8, and a person who recognises the text
    path = written(base, encoding, remark)
    person = Person()

    def ask(words: str, default: str | None) -> str:
        if "What is the encoding?" not in words:
            return person(words, default)
        person.asked.append(words)
        lines = [line for line in words.splitlines() if f" {encoding}: " in line]
        return lines[0].strip().partition(":")[0]

    # When it is drafted, then the example is the text, beside what other encodings make of it
    found = strangers.drafted(base, path, ask)
    [question] = [one for one in person.asked if "encoding" in one]
    assert remark in question
    assert f" {also}: " in question
    assert found.draft.keys["source"]["encoding"] == encoding
    # And without a person it is refused, with each option
    with pytest.raises(Problem, match=rf"--set 'source: \{{encoding: {encoding}\}}'"):
        strangers.drafted(base, path)


def test_a_file_in_utf_16_is_asked_about_with_its_header(base: Path) -> None:
    path = written(base, "utf-16", "M\u00fcller")
    person = Person(encoding=["1"])
    found = strangers.drafted(base, path, person)
    assert found.draft.keys["source"]["encoding"] == "utf-16"
    assert "row_number" in person.asked[0]


def test_a_delimiter_is_chosen_by_the_columns_that_it_gives(base: Path) -> None:
    # Given lines that a comma and a semicolon divide equally well
    path = base / "table.csv"
    lines = [f"{n},5;{'yes' if n % 2 else 'no'}" for n in range(90)]
    path.write_text("\n".join(["amount,x;churned", *lines]), encoding="utf-8")
    person = Person(delimiter=["2"])
    with pytest.raises(Problem, match="no column 'churned'"):  # the first choice, a comma
        strangers.drafted(base, path, Person(delimiter=["1"]), no_sensitive_reason="no person")
    found = strangers.drafted(base, path, person, no_sensitive_reason="no person")
    assert found.draft.keys["source"]["delimiter"] == ";"
    with pytest.raises(Problem, match=r"""add --set 'source: \{delimiter: ","\}' or --set"""):
        strangers.drafted(base, path)


SLIPS = {  # part of a question → a slip, and what is said before it is asked again
    "(target)": ("churn", "no column 'churn'; did you mean 'churned'"),
    "favourable": ("maybe", "'maybe' is no value of 'churned'"),
    "sensitive attributes": ("gendr", "did you mean 'gender'"),
    "dates": ("9", "'9' is none of the answers: give a number from 1"),
}


@pytest.mark.parametrize("part", SLIPS)
def test_a_slip_is_said_and_asked_again(base: Path, part: str) -> None:
    # Given a person whose first answer is a slip
    slip, said = SLIPS[part]
    rows = 600
    either = [f"{1 + at % 12:02d}/{1 + at // 12 % 12:02d}/2022" for at in range(rows)]
    table = strangers.customers(rows, signed_on=either if part == "dates" else "2022-01-01")
    right = {"(target)": "churned", "sensitive attributes": "gender", "dates": "1"}
    person = Person(**({"(target)": ["churned"]} | {part: [slip, right.get(part, "no")]}))
    # When the table is drafted, then the slip is named, and the next answer counts
    strangers.drafted(base, table, person, target=None, positive=None)
    again = [one for one in person.asked if said in one]
    assert len(again) == 1
    assert part in again[0]


def test_after_three_slips_the_command_ends_and_writes_nothing(base: Path) -> None:
    person = Person(**{"(target)": ["a", "b", "c", "d"]})
    with pytest.raises(Problem, match="no column 'c'"):
        strangers.drafted(base, strangers.customers(), person, target=None)
    assert not list((base / "conf/data").glob("customers*"))

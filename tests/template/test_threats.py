"""The threat model: each known silent pass has a row, and each row names a test that holds it."""

from __future__ import annotations

import re

from baked import ROOT

PAGE = ROOT / "docs" / "threats.md"
TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def rows() -> dict[int, list[str]]:
    """The cells of each row of the table, by the row's number."""
    text = PAGE.read_text(encoding="utf-8")
    found: dict[int, list[str]] = {}
    for line in re.findall(r"^\| \d+ \|.*$", text, re.M):
        cells = [one.strip() for one in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert int(cells[0]) not in found, f"{cells[0]} has two rows"
        found[int(cells[0])] = cells
    return found


def numbers(text: str) -> set[int]:
    """The numbers in the names of tests: one, or several as in `test_trap_35_38_`."""
    names = re.findall(r"^def test((?:_trap)(?:_(?:trap_)?\d\d(?=_))+)", text, re.M)
    return {int(one) for name in names for one in re.findall(r"\d\d", name)}


def test_names_with_one_number_and_with_several_are_read() -> None:
    # Given the forms that names of tests have, then each number in them is found
    assert numbers("def test_trap_07_emptiness() -> None:") == {7}
    assert numbers("def test_trap_35_38_an_owner() -> None:") == {35, 38}
    assert numbers("def test_trap_13_trap_15_each_change() -> None:") == {13, 15}
    assert numbers("def test_what_10_rows_say() -> None:") == set()


def test_each_known_silent_pass_has_a_row() -> None:
    # Given the tests that carry a number, then the table has a row for it, and no number is missing
    held = {
        number
        for path in (ROOT / "tests").rglob("test_*.py")
        for number in numbers(path.read_text(encoding="utf-8"))
    }
    assert held <= set(rows())
    assert sorted(rows()) == list(range(1, len(rows()) + 1))


def test_each_row_names_a_test_that_holds_it() -> None:
    # Given the rows, when the files that they name are read
    wrong: list[str] = []
    for number, (_, passes, stops, named) in rows().items():
        assert passes, number
        assert stops, number
        tests = TEST.findall(named)
        assert tests, f"{number} names no test"
        for file, function in tests:
            path = ROOT / file
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            # Then the file has the function, or a test with the row's number
            held = f"\ndef {function}(" in text if function else number in numbers(text)
            if not held:
                wrong.append(f"{number}: {file} {function}".strip())
    assert wrong == []

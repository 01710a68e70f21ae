"""Tables as other programs write them: every question at once, encodings, delimiters, files."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import every_kind
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import served
import yaml
from served import in_own_folder, kinds  # noqa: F401 - a fixture, too

from governed_ml.core.config.data import Data
from governed_ml.core.problem import Problem
from governed_ml.pipeline.data.columns import check_names
from governed_ml.pipeline.data.reading.answers import Questions, written

pytestmark = pytest.mark.usefixtures("inside")


def file(content: str | bytes, **source: Any) -> dict[str, Any]:
    """Write a file as it is; return it as a source."""
    path = Path("table.csv")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"kind": "file", "path": str(path)} | source


def lines(head: str, line: str, rows: int = 60) -> str:
    """Return a CSV whose lines differ by the row's number and a truth value."""
    made = [
        line.format(row=row, day=row % 12 + 1, truth=("yes", "no")[row % 2]) for row in range(rows)
    ]
    return "\n".join([head, *made]) + "\n"


# --- every question at once -----------------------------------------------------------------------

FOREIGN = lines(",when,amount,ratio,town,zip,repaid",
                '{row},{day:02}/{day:02}/2024,"{row},5","1,25",N/A,0{row},{truth}')  # fmt: skip


def test_every_column_is_asked_about_in_one_run_with_the_yaml_of_each_answer() -> None:
    # Given a table with six columns that are unclear, when it is ingested
    with pytest.raises(Questions) as found:
        served.ingested(file(FOREIGN), drop=["ratio"], categorical=["ratio"])
    # Then all but the dropped one are asked about, each with what to write
    asked = found.value.asked
    assert [*asked] == ["Unnamed: 0", "when", "amount", "town", "zip"]
    assert found.value.lines[0] == "5 columns need an answer in conf/data"
    assert len(found.value.lines) == 6
    assert "\n" not in str(found.value)
    right = {
        "Unnamed: 0": ['drop: [ratio, "Unnamed: 0"]'],
        "when": ['dates: {when: "%d/%m/%Y"}', 'dates: {when: "%m/%d/%Y"}',
                 "categorical: [ratio, when]", "drop: [ratio, when]"],
        "amount": ['source: {decimal: ","}', "categorical: [ratio, amount]"],
        "town": ['source: {missing: ["", "N/A"]}', "distinct: [town]"],
        "zip": ["categorical: [ratio, zip]", "numeric: [zip]"],
    }  # fmt: skip
    for name, answers in right.items():
        assert f"(write {' or '.join(f'`{one}`' for one in answers)})" in asked[name], name
    # And the first answers together are a configuration with which the table is read
    chosen: dict[str, Any] = {"categorical": ["ratio", "zip"], "drop": ["ratio", "Unnamed: 0"]}
    chosen |= {"dates": {"when": "%d/%m/%Y"}, "time": "when"}
    source = file(FOREIGN, decimal=",", missing=["", "N/A"])
    _, columns = served.ingested(source, roles=True, **chosen)
    assert kinds(columns)["amount"] == "decimal"
    assert kinds(columns)["zip"] == "code"


@pytest.mark.parametrize(
    "name", ["plain", "a b", "no", "x: y", 'say "x"', "#1", "[a]", "日本", "1"]
)
def test_an_answer_is_yaml_that_says_what_is_meant(name: str) -> None:
    # Given a configuration with answers, and a column of any name
    data = served.data(numeric=["income"], dates={"born": "%d.%m.%y"})
    # When an answer is written, then YAML reads the old answers and the new one
    read = {
        key: yaml.safe_load(written(name, (key, value), data))[key]
        for key, value in (("numeric", None), ("dates", "%Y%m%d"), ("spellings", {"1": "no"}))
    }
    assert read == {
        "numeric": ["income", name],
        "dates": {"born": "%d.%m.%y", name: "%Y%m%d"},
        "spellings": {name: {"1": "no"}},
    }
    Data.model_validate(data.model_dump() | read)


def test_a_date_without_a_role_is_asked_about_at_ingest() -> None:
    source = file(lines("when,x,repaid", "2024-01-{day:02}T10:00:00Z,{row},{truth}"))
    with pytest.raises(Problem, match=r"'when' is a date, .* \(write `time: when` or `drop: \["):
        served.ingested(source, roles=True)
    for role in ({"time": "when"}, {"drop": ["when"]}):
        served.ingested(source, roles=True, **role)


# --- dates ----------------------------------------------------------------------------------------

READ = {
    "13.02.2024": "2024-02-13",
    "13-02-2024": "2024-02-13",
    "02/13/2024": "2024-02-13",
    "13.2.2024 7:05": "2024-02-13 07:05",
    "13.02.2024 10:05:03.25": "2024-02-13 10:05:03.25",
    "2024-02-13T10:00:00Z": "2024-02-13 10:00",
    "2024-02-13T10:00:00.5Z": "2024-02-13 10:00:00.5",
    "2024-02-13 10:00:00 +01:00": "2024-02-13 09:00",
    "2024-02-13 10:00:00 +0100": "2024-02-13 09:00",
    "2024-02-13 10:00:00 UTC": "2024-02-13 10:00",
    "2024-02-13 10:00:00,123": "2024-02-13 10:00:00.123",
}


@pytest.mark.parametrize("text", READ)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_time_with_one_reading_is_read_in_training_and_in_production(
    text: str, suffix: str
) -> None:
    frame = served.loans().assign(applied_on=text)
    source = served.write(frame, Path(f"table.{suffix}"))
    model = served.train(source, time="applied_on")
    assert pd.read_parquet("data/raw.parquet")["applied_on"].unique() == [pd.Timestamp(READ[text])]
    batch, _ = model.monitor(served.write(frame, Path("batch.csv")))
    assert batch.frame["applied_on"].unique() == [pd.Timestamp(READ[text])]


@pytest.mark.parametrize("text", ["13.02.2024 10:05:03Z", "2024/13/02 10:00", "13.02.2024 25:00"])
def test_a_time_in_no_known_format_is_asked_about(text: str) -> None:
    source = served.write(served.loans().assign(applied_on=text), Path("table.csv"))
    with pytest.raises(Problem, match=r"'applied_on' has 400 texts that look like times, in no kn"):
        served.ingested(source, time="applied_on")
    served.ingested(source, categorical=["applied_on"])


# --- truth values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [("yes", "no"), ("Y", "N"), ("t", "f"), ("TRUE", "FALSE")])
def test_truth_values_of_other_programs_are_truth_values(pair: tuple[str, str]) -> None:
    # Given truth values in words, when a model is trained, then their kind is known
    employed = served.loans()["employed"]
    words = employed.map({True: pair[0], False: pair[1]})
    model = served.trained("train.csv")
    source = served.write(served.loans().assign(employed=words), Path("train.csv"))
    model = served.train(source, sensitive={"sex": {}}, time="applied_on")
    _, columns = served.ingested(source, sensitive={"sex": {}}, time="applied_on")
    assert kinds(columns)["employed"] == "boolean"
    # And production may write them as programs do
    for number, later in enumerate((words.str.lower(), employed, employed.astype(int))):
        served.write(served.loans().assign(employed=later), Path(f"new{number}.csv"))
        found = model.predict(Path(f"new{number}.csv"))["score"]
        assert np.allclose(found, model.scores)


@pytest.mark.parametrize("values", [["t", "f", "u"], ["yes", "yes"], ["y", "no"]])
def test_other_texts_are_categories(values: list[str]) -> None:
    frame = served.loans().assign(employed=(values * 200)[:400])
    _, columns = served.ingested(served.write(frame, Path("table.csv")), time="applied_on")
    assert kinds(columns)["employed"] == "category"
    # And codes that are called `t` and `f` are codes
    coded = served.write(frame.assign(employed=["t", "f"] * 200), Path("table.csv"))
    _, columns = served.ingested(coded, time="applied_on", categorical=["employed"])
    assert kinds(columns)["employed"] == "code"


# --- encodings and delimiters ---------------------------------------------------------------------

TOWN = lines("age,town,repaid", "{row},Zürich,{truth}")
ENCODED = {
    "cp1252": "line 2 has the byte 0xFC, which is 'ü' in cp1252. If that is right, write `enc",
    "utf-16": "it looks like UTF-16. Write `encoding: utf-16` under source",
    "utf-16-le": "rite `encoding: utf-16-le` under source",
    "utf-16-be": "encoding: utf-16-be` under source",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_an_encoding_is_asked_about_with_a_proposal_and_heeded(encoding: str) -> None:
    # Given a table in another encoding, when it is ingested, then it is proposed, not guessed
    with pytest.raises(Problem, match=ENCODED[encoding]):
        served.ingested(file(TOWN.encode(encoding)))
    # And with the answer its texts are right, and production may send UTF-8 or the same
    model = served.train(file(TOWN.encode(encoding), encoding=encoding))
    assert set(pd.read_parquet("data/raw.parquet")["town"]) == {"Zürich"}
    for name in ("utf-8", "utf-8-sig", encoding):
        path = Path(f"new-{name}.csv")
        path.write_bytes(TOWN.encode(name))
        assert np.allclose(model.predict(path)["score"], model.scores)


def test_a_late_byte_is_named_by_its_line_and_a_wrong_encoding_is_refused() -> None:
    late = TOWN.replace("ü", "u").encode() + "7,Zürich,yes\n".encode("cp1252")
    with pytest.raises(Problem, match="line 62 has the byte 0xFC"):
        served.ingested(file(late))
    with pytest.raises(Problem, match=r"line 2 has the byte 0x8F, which is .* in latin-1"):
        served.ingested(file(TOWN.encode("cp1252").replace(b"\xfc", b"\x8f")))
    with pytest.raises(Problem, match="cannot be read as ascii after line 1: correct encoding"):
        served.ingested(file(TOWN.encode("cp1252"), encoding="ascii"))
    with pytest.raises(Problem, match="Python knows no encoding 'base64'"):
        served.ingested(file(TOWN, encoding="base64"))


def test_a_delimiter_is_found_only_if_one_fits() -> None:
    # Given headers in which two delimiters occur
    even = "a;b,c;repaid\n" + "1;2,3;yes\n4;5,6;no\n" * 20
    with pytest.raises(Problem, match=r"has 2 cells with ',' and 3 cells with ';', .* write `d"):
        served.ingested(file(even))
    served.ingested(file(even, delimiter=";", decimal=","))
    # When the rows decide, then nothing is asked
    for delimiter in ";\t|,":
        head = delimiter.join(["a", '"b,c;d"', "repaid"])
        text = f"{head}\n" + f"1{delimiter}2{delimiter}yes\n3{delimiter}4{delimiter}no\n" * 20
        _, columns = served.ingested(file(text))
        assert [*kinds(columns)] == ["a", "b,c;d", "repaid"]
    _, columns = served.ingested(file("a|b,c,repaid\n" + "1,2,yes\n3,4,no\n" * 20))
    assert [*kinds(columns)] == ["a|b", "c", "repaid"]


# --- files ----------------------------------------------------------------------------------------


def packed(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """Write a table in a packed or typed file; return it as a source."""
    path = Path(name)
    plain = frame.assign(applied_on=frame["applied_on"].dt.strftime("%Y-%m-%d"))
    if name.endswith(".csv.gz"):
        path.write_bytes(gzip.compress(plain.to_csv(index=False).encode()))
    elif name.endswith(".jsonl.gz"):
        path.write_bytes(gzip.compress(plain.to_json(orient="records", lines=True).encode()))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("folder/table.csv", plain.to_csv(index=False))
            archive.writestr("__MACOSX/._table.csv", "x")
    elif name.endswith(".feather"):
        frame.to_feather(path)
    elif name.endswith(".arrow"):
        table = pa.Table.from_pandas(frame)
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=50)
    else:
        every_kind.workbook(frame, path)
    return {"kind": "file", "path": name}


FILES = ["t.csv.gz", "t.jsonl.gz", "t.zip", "t.feather", "t.arrow", "t.xlsx"]


@pytest.mark.parametrize("name", FILES)
def test_a_table_is_the_same_in_every_file_in_training_and_production(name: str) -> None:
    # Given a model of a CSV, and one of another file with the same rows
    frame = served.loans()
    conf: dict[str, Any] = {"sensitive": {"sex": {}}, "time": "applied_on"}
    plain = served.train(served.write(frame, Path("train.csv")), **conf)
    raw = pd.read_parquet("data/raw.parquet")
    # When it is ingested, then each value and each column is the same
    model = served.train(packed(frame, name), **conf)
    other = pd.read_parquet("data/raw.parquet")
    for column in raw:
        assert other[column].astype(str).str.lower().tolist() == (
            raw[column].astype(str).str.lower().tolist()
        ), column
    # And rows in it are predicted by the model of the CSV
    assert np.allclose(plain.predict(Path(name))["score"], plain.scores)
    assert np.allclose(model.scores, plain.scores)


def test_files_with_no_table_or_several_are_refused_by_name() -> None:
    content = lines("a,repaid", "{row},{truth}").encode()
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.csv", content)
    Path("torn.gz").write_bytes(gzip.compress(content)[:60])
    Path("twice.gz").write_bytes(gzip.compress(gzip.compress(content)))
    Path("x.csv.xz").write_bytes(b"\xfd7zXZ\0\0\0")
    Path("old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    Path("torn.feather").write_bytes(b"ARROW1\0\0 and no more")
    said = {
        "two.zip": "has 2 files inside: pack exactly one table",
        "torn.gz": "is damaged",
        "twice.gz": "is packed twice: give CSV",
        "x.csv.xz": "is packed with xz: unpack it, or pack it with gzip",
        "old.xls": "is an old or encrypted Excel workbook: save it as .xlsx",
        "torn.feather": "cannot be read as Arrow",
    }
    for name, words in said.items():
        with pytest.raises(Problem, match=f"{name}.*{words}"):
            served.ingested({"kind": "file", "path": name})


def test_cells_of_a_workbook_keep_their_meaning() -> None:
    # Given a workbook with codes as texts, gaps, empty rows, and a second sheet with cells
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Loans"
    sheet.append(["zip", "code", "mixed", "repaid"])
    for row in range(40):
        sheet.append(
            [f"0{row}", row % 3 or None, "N/A" if row == 5 else row, ("yes", "no")[row % 2]]
        )
        sheet.append([])
    book.create_sheet("Notes").append(["by hand"])
    book.save("book.xlsx")
    source = {"kind": "file", "path": "book.xlsx"}
    # When it is ingested, then the sheet is asked about, and the odd cell
    with pytest.raises(Problem, match=r"has 2 sheets with cells \('Loans', 'Notes'\): write `s"):
        served.ingested(source)
    with pytest.raises(Problem, match="has no sheet 'Loan', but 'Loans', 'Notes'"):
        served.ingested(source | {"sheet": "Loan"})
    conf: dict[str, Any] = {"categorical": ["zip"]}
    with pytest.raises(Problem, match=r"'mixed' has 39 numbers and 1 texts .*\('N/A' once\)"):
        served.ingested(source | {"sheet": "Loans"}, **conf)
    # And with the answers every cell is what it was, and the digest is that of the workbook
    missing = source | {"sheet": "Loans", "missing": ["", "N/A"]}
    served.ingested(missing, numeric=["mixed"], **conf)
    raw = pd.read_parquet("data/raw.parquet")
    assert len(raw) == 40
    assert raw["zip"].tolist() == [f"0{row}" for row in range(40)]
    assert raw["code"].isna().tolist() == [row % 3 == 0 for row in range(40)]


def test_all_names_types_and_values_that_cannot_be_used_are_said_at_once() -> None:
    # Given a header with three bad names, then columns of two bad types, then two infinite ones
    with pytest.raises(Problem) as found:
        check_names(["__row", "a", "A", "", "b", "b"])
    assert len(found.value.lines) == 5
    frame = pd.DataFrame({"a": [[1], [2]] * 20, "b": [{"c": 1}] * 40, "repaid": ["yes", "no"] * 20})
    with pytest.raises(Problem, match=r"^2 columns have a type that .* column 'a' .*'b'"):
        served.ingested(served.write(frame, Path("table.parquet")))
    frame = frame.assign(a=[1.5, np.inf] * 20, b=[2.5, -np.inf] * 20)
    with pytest.raises(Problem, match=r"^2 columns hold values that .* column 'a' .*'b'"):
        served.ingested(served.write(frame, Path("table.parquet")))


def test_row_names_of_r_without_a_header_are_named() -> None:
    with pytest.raises(Problem, match=r"has 3 cells in line 2 and 2 in its header.*row\.names = "):
        served.ingested(file(lines("a,repaid", "{row},{row},{truth}")))

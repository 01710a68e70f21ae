"""A table that cannot be used is refused in one line, which names the place and the remedy."""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from baked import BakedProject
from people import (  # `before` and `project` are fixtures
    CSV,
    DATA,
    LINES,
    RAW,
    before,  # noqa: F401
    changed,
    configure,
    every_push,
    people,
    project,  # noqa: F401
    refused,
    stage,
    text,
)

pytestmark = pytest.mark.slow

BIG = "x" * 10_000_000
UNREAD: dict[str, tuple[str | bytes, str]] = {  # case → the file's content, what is said of it
    "empty": (b"", f"{CSV} is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", f"{CSV} is empty"),
    "blank lines": (b"\n\n", f"{CSV} has no header"),
    "header only": (text(LINES[:1]), "has columns but no row"),
    "wrong delimiter": (text().replace(",", "^"), "one column with the delimiter ',': set data"),
    "decimal commas": (
        people().to_csv(index=False, sep=";", decimal=","),
        "column 'income' holds numbers with a comma in 300 rows: write them like 1234.5",
    ),
    "Latin-1": (
        text().replace("Rome", "Zürich").encode("latin-1"),
        "the byte 0xFC, which is",
    ),
    "Latin-1 late": ((text() * 1 + "1,2,Zürich,f,no\n").encode("latin-1"), "not UTF-8"),
    "UTF-16": (text().encode("utf-16"), "Write `encoding: utf-16` under source"),
    "UTF-16 without a mark": (text().encode("utf-16-le"), "is not UTF-8 but UTF-16"),
    "a column twice": (text(town="age"), "column 'age' is in the table 2 times: rename one"),
    "two that differ in case": (text(town="AGE"), "'age' and 'AGE' differ only in case"),
    "a column without a name": (
        text(town=""),
        "column 'Unnamed: 2' is the index of a pandas",
    ),
    "target absent": (text(paid="payed"), "data.target: the table has no column 'paid'; did you"),
    "sensitive column absent": (
        text(sex="gender"),
        "data.sensitive: the table has no column 'sex'",
    ),
    "a short line": (text([*LINES, "1,2"]), "has 2 cells in line 302 and 5 in its header"),
    "a quote left open": (
        text([*LINES[:50], '1,2,"Rome,f,no', *LINES[50:]]),
        "has a quote in line 51 that stands alone or is never closed",
    ),
    "two kinds of line ends": (
        "\r\n".join(LINES[:9]) + "\r\n" + "\n".join(LINES[9:]),
        "mixes several kinds of line endings",
    ),
    "10 MB in one cell": (
        text([*LINES[:7], f"1,2,{BIG},f,no", *LINES[7:]]),
        "has a cell of more than 100,000 characters in line 8",
    ),
    "1 MB in one cell": (
        text([*LINES, f"1,2,{BIG[:1_000_000]},f,no"]),
        "column 'town' holds texts of more than 100,000 bytes in 1 row",
    ),
    "10 MB in the header": (text(town=BIG), "header of data/source/people.csv cannot be read"),
    "an infinite value": (
        changed(income=lambda row: "-inf" if row == 7 else row),
        "column 'income' holds values that are infinite or beyond 1e150 in 1 row",
    ),
    "an overflowing value": (
        changed(income=lambda row: "2.5e200" if row == 7 else row),
        "infinite or beyond 1e150",
    ),
    "nothing but inf": (changed(income="inf"), "'income' holds values that are infinite"),
    "inf and nan": (changed(income=lambda row: "inf" if row % 2 else "nan"), "in 150 rows"),
    "an archive": (b"\x1f\x8b\x08\x00", "is damaged: unpack it yourself"),
    "a database": (b"SQLite format 3\0", "is a database (kind: sql reads it)"),
    "JSON lines torn": (
        people().to_json(orient="records", lines=True)[:-30],
        "is incomplete JSON, or neither JSON lines nor a list of objects: fix it",
    ),
    "JSON without rows": ("[]", "is JSON without rows: give JSON lines or a list of objects"),
    "JSON with a name twice": (
        '{"age": 1, "age": 2, "sex": "f", "paid": "no"}\n',
        "has a row that repeats a name",
    ),
    "JSON with two types": (
        '[{"age": 1}, {"age": "old"}]',
        "column 'age' has the type JSON, but a column must hold only numbers",
    ),
}


@pytest.mark.parametrize(
    "case",
    every_push(
        UNREAD,
        "empty",
        "header only",
        "wrong delimiter",
        "Latin-1",
        "UTF-16",
        "a column twice",
        "target absent",
        "sensitive column absent",
        "a quote left open",
        "10 MB in one cell",
        "1 MB in one cell",
        "an infinite value",
        "nothing but inf",
        "JSON lines torn",
    ),
)
def test_a_file_that_is_no_table_is_refused(case: str, project: BakedProject) -> None:  # noqa: F811
    # Given an allowed line, and a file in place of its table that is none
    content, said = UNREAD[case]
    data = content if isinstance(content, bytes) else content.encode()
    (project.path / CSV).write_bytes(data)
    # When it is ingested, then the line says why, and no earlier table is taken for the new one
    assert said in refused(project, "ingest")
    assert not project.has_file(RAW)


def parquet(frame: pd.DataFrame) -> bytes:
    """The table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


PARQUET: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: parquet(people())[:-500], "is a damaged Parquet file: fetch it again"),
    "nested": (lambda: parquet(people().assign(age=[[1]] * 300)), "'age' has the type BIGINT[]"),
    "without rows": (lambda: parquet(people(0)), "has columns but no row"),
    "with 10 MB in a cell": (
        lambda: parquet(people().assign(town=[BIG] + ["Rome"] * 299)),
        "bytes in 1 row",
    ),
    "with infinite values": (lambda: parquet(people().assign(income=np.inf)), "'income' holds"),
}


@pytest.mark.parametrize("case", every_push(PARQUET, "truncated"))
def test_a_parquet_file_that_cannot_be_used_is_refused(case: str, project: BakedProject) -> None:  # noqa: F811
    # Given a Parquet file in place of the table, when it is ingested, then the line says why not
    content, said = PARQUET[case]
    (project.path / CSV).write_bytes(content())
    assert said in refused(project, "ingest")
    assert not project.has_file(RAW)


class Server(BaseHTTPRequestHandler):
    """Answers `/404`, a web page, half a table, or what the test asks for."""

    def do_GET(self) -> None:
        """Answer."""
        body = {"/page": b"<!DOCTYPE html>\n<title>Log in, please</title>"}.get(
            self.path, text().encode()
        )
        self.send_response(404 if self.path.startswith("/404") else 200)
        self.send_header("Content-Length", str(len(body) * (2 if self.path == "/half" else 1)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


SOURCES: dict[str, tuple[str, str]] = {  # case → data.source, what is said
    "a missing file": ("kind: file\n  path: none.csv", "none.csv does not exist (paths count from"),
    "a folder": (
        "kind: file\n  path: data/empty",
        "data/empty is a folder without a table: put CSV or",
    ),
    "no address": ("kind: file\n  path: http://127.0.0.1:9/t", "127.0.0.1:9/t cannot be fetched: "),
    "another scheme": ("kind: file\n  path: s3://bucket/t", "is not an http or https address"),
    "a broken address": (
        "kind: file\n  path: http://[::1/t",
        "cannot be fetched: Invalid IPv6 URL",
    ),
    "404": (
        "kind: file\n  path: SERVER/404?signature=geheim",
        "fetched: HTTP Error 404: Not Found",
    ),
    "a web page": ("kind: file\n  path: SERVER/page", "/page is a web page, not a table"),
    "half a download": ("kind: file\n  path: SERVER/half", "/half broke off, "),
    "no such table": (
        "kind: sql\n  url: sqlite:///t.db\n  query: SELECT 1 FROM u",
        "no such table",
    ),
    "no SELECT": (
        "kind: sql\n  url: sqlite:///t.db\n  query: DELETE FROM t",
        "does not return rows",
    ),
    "no variable": ("kind: sql\n  url: env:NO_SUCH\n  query: x", "variable NO_SUCH is not set"),
    "an unknown fault": ("kind: synthetic\n  rows: 9\n  faults: [magic]", "unknown fault 'magic'"),
}


@pytest.mark.parametrize(
    "case",
    every_push(SOURCES, "a missing file", "a folder", "no address", "half a download"),
)
def test_a_source_that_does_not_answer_is_refused(
    case: str,
    project: BakedProject,  # noqa: F811
    server: str,
) -> None:
    # Given a source that has no table for us, when it is ingested, then the line says why not
    source, said = SOURCES[case]
    kind = f"kind: file\n  path: {CSV}"
    configure(project, DATA.replace(kind, source.replace("SERVER", server)))
    with sqlite3.connect(project.path / "t.db") as connection:
        connection.execute("CREATE TABLE t (paid TEXT)")
    (project.path / "data/empty").mkdir()
    stage(project, "compose")
    line = refused(project, "ingest")
    assert said in line
    assert "geheim" not in line
    assert not project.has_file(RAW)

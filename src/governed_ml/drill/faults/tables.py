"""Faults about data in git: tables, models and archives under misleading names."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
import zlib

from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault
from governed_ml.drill.scratch import Scratch

LINES = 200
NOISE = bytes(range(256))
MARKS = {  # the beginning of a file → its type
    b"PAR1": "a Parquet table",
    b"PARE": "an encrypted Parquet table",
    b"ARROW1": "an Arrow table",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"FEA1": "a Feather table",
    b"ORC": "an ORC table",
    b"Obj\x01": "an Avro table",
    bytes(8) + b"DUCK": "a DuckDB database",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"CDF": "a NetCDF file",
    b"MATLAB 5.0": "a MATLAB file",
    b"<stata_dta>": "a Stata table",
    b"$FL2": "an SPSS table",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document",
    b"\x93NUMPY": "a NumPy array",
    b"PK\x05\x06": "an empty zip archive",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x78\x01": "zlib data",
    b"\x78\x5e": "zlib data",
    b"\x78\xda": "zlib data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"\x04\x22\x4d\x18": "lz4 data",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"GGUF": "a GGUF model",
    b"\x1c\x00\x00\x00TFL3": "a TensorFlow Lite model",
    b"CBM1": "a CatBoost model",
    b"(" + bytes(7) + b'{"weight"': "a safetensors model",
    b"\x08\x08\x12\x07pytorch": "an ONNX model",
}
NUMBERS = [(one, one * one, f"town {one % 7}", "," * (one % 5)) for one in range(LINES)]
RECORDS = [{"a": a, "b": b} for a, b, *_ in NUMBERS]


def _lines(form: str) -> str:
    return "".join(form.format(*row) for row in NUMBERS)


TEXTS = {  # name → a table as text, and its format
    "commas.txt": (_lines("{0},{1},{2}\n"), "200 lines separated by commas"),
    "semicolons.md": (_lines("{0};{1};{2}\n"), "200 lines separated by semicolons"),
    "tabs": (_lines("{0}\t{1}\t{2}\n"), "200 lines separated by tabs"),
    "tildes.txt": (_lines("{0}~{1}\n").encode(), "separated by tildes"),
    "carets.txt": (_lines("{0}^{1}\n"), "separated by carets"),
    "keyed.txt": (_lines("a={0} b={2}\n"), "of keys and values"),
    "line.py": (f"ROWS = {[(a, 'x') for a, *_ in NUMBERS]!r}\n", "all in one"),
    "bars.md": (_lines("| {0} | {2} |\n"), "200 lines separated by bars"),
    "quoted.txt": (_lines('"{0}","{2}{3}"\n'), "separated by commas"),
    "rows.py": ("ROWS = [\n" + _lines('    ({0}, "{2}"),\n') + "]\n", "separated by commas"),
    "numbers.txt": (_lines("{0} {1}\n"), "of numbers"),
    "pairs.md": (_lines('{{"v": {0}}}\n'), "of JSON, one a line"),
    "records.json": (json.dumps({"a": {"b": [RECORDS]}}, indent=1), "200 lines of JSON"),
    "arrays.json": (json.dumps([[a, b] for a, b, *_ in NUMBERS]), "200 lines of JSON"),
    "columns.json": (json.dumps({"a": {str(a): b for a, b, *_ in NUMBERS}}), "200 lines of JSON"),
    "code.js": (f"const rows = {json.dumps(RECORDS)};\n", "200 lines of JSON"),
    "cell.json": (json.dumps([_lines("{0};{1}\n").splitlines(True)]), "semicolons, within JSON"),
    "records.yaml": (_lines("- a: {0}\n  b: {2}\n"), "of YAML records"),
    "page.html": ("<table>\n" + _lines("<tr><td>{0}</td></tr>\n"), "of HTML"),
    "rows.xml": ("<?xml version='1.0'?>\n" + _lines("<row><a>{0}</a></row>\n"), "of XML"),
    "bytes.txt": (base64.encodebytes(NOISE * 40), "bytes written as text"),
    "wide.csv": (_lines("{0},{1},{2}\n").encode("utf-16"), "separated by commas"),
    "tree.txt": ("tree\nversion=v4\n", "a LightGBM model"),
    "boost.json": ('{"learner":{"attributes":{}}}', "an XGBoost model"),
    "forest.json": ('{"version":[3,0,0],"learner":{}}', "an XGBoost model"),
    "tree.xml": ("<PMML>\n</PMML>\n", "a PMML model"),
    "large.md": ("words and words\n" * 40_000, "it has 640,000 bytes"),
    "noise.txt": (NOISE, "it is binary"),
    "zero.txt": (pickle.dumps(RECORDS, protocol=0), "a pickle"),
}


def archives() -> dict[str, tuple[bytes, str]]:
    """Return misleading name → an archive and its type."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("schema.json", "{}")
    with tarfile.open(fileobj=tarred, mode="w") as archive_of_tar:
        archive_of_tar.addfile(tarfile.TarInfo("rows.csv"))
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE rows (a)")
    return {
        "model.md": (zipped.getvalue(), "it is a zip archive"),
        "picture.png": (b"\x89PNG\r\n\x1a\n" + NOISE + zipped.getvalue(), "behind something else"),
        "tar.md": (tarred.getvalue(), "a tar archive"),
        "rows.db.md": (database.serialize(), "an SQLite database"),
        "object.md": (pickle.dumps(RECORDS, protocol=4), "a pickle"),
        "zlib.md": (zlib.compress(NOISE), "zlib data"),
        "gzip.md": (gzip.compress(NOISE), "gzip data"),
        "bzip2.md": (bz2.compress(NOISE), "bzip2 data"),
        "xz.md": (lzma.compress(NOISE), "xz data"),
        "large.png": (b"\x89PNG\r\n\x1a\n" + NOISE * 2400, "it has 614,408 bytes"),
    }


def in_git(scratch: Scratch) -> Sign:
    """Commit data of every kind under misleading names, and in the folders that belong to DVC."""
    sign = scratch.plant_each(
        "docs/data/",
        {f"mark{n:02}.md": (mark + NOISE, what) for n, (mark, what) in enumerate(MARKS.items())}
        | {name: (content, what) for name, (content, what) in TEXTS.items()}
        | archives(),
    )
    folders = scratch.plant_each(
        "",
        {
            "data/drill.txt": ("words\n", "data/ is DVC's"),
            "models/drill.txt": ("words\n", "models/ is DVC's"),
            "data/drill.csv.dvc": (_lines("{0},{1},{2}\n"), "separated by commas"),
            "uv.lock": (_lines("{0},{1},{2}\n"), "separated by commas"),
        },
    )
    return Sign((*sign.each, *folders.each))


FAULTS = (
    Fault("data-in-git", "data files have misleading names", (), ("check", "data-in-git"), in_git),
)

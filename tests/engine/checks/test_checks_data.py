"""`governance check data-in-git`: data, models and large files, under whatever name."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import re
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import baked
import numpy as np
import pandas as pd
import pytest
import yaml
from checking import check, copy, put

FRAME = pd.DataFrame({"a": range(200), "b": np.linspace(0, 1, 200), "c": ["x", "y"] * 100})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture
def own(project: baked.BakedProject, environment: Path, tmp_path: Path) -> baked.BakedProject:
    """A copy of the default project for one test."""
    return copy(project, environment, tmp_path)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """What a library writes into a file."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def zipped(buffer: io.BytesIO) -> None:
    """As skops and PyTorch write: a zip archive."""
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}")


def tarred(buffer: io.BytesIO) -> None:
    """A tar archive with one file."""
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.csv"))


def database(folder: Path) -> bytes:
    """An SQLite database with a table."""
    connection = sqlite3.connect(folder / "rows.db")
    connection.execute("CREATE TABLE rows (a)")
    connection.commit()
    connection.close()
    return (folder / "rows.db").read_bytes()


def binary(tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    """Innocent name → what is in it, and what the finding says."""
    return {
        "docs/notes.md": (written(FRAME.to_parquet), "a Parquet table"),
        "docs/table.txt": (written(FRAME.to_feather), "an Arrow table"),
        "tests/fixture.py": (written(lambda file: np.save(file, FRAME["b"])), "a NumPy array"),
        "LICENSE.md": (written(lambda file: np.savez(file, a=FRAME["b"])), "a zip archive"),
        "conf/model.yaml": (written(zipped), "a zip archive"),
        "docs/picture.png": (PNG + written(zipped), "a zip archive behind something else"),
        "notes": (pickle.dumps(FRAME), "a pickle"),
        "notes.rst": (pickle.dumps({"w": [0.1, 0.2]}, protocol=0), "a pickle"),
        "docs/a.svg": (zlib.compress(pickle.dumps(FRAME)), "zlib data"),
        "docs/a.html": (gzip.compress(b"a,b\n1,2\n"), "gzip data"),
        "docs/b.html": (bz2.compress(b"a,b\n1,2\n"), "bzip2 data"),
        "docs/c.html": (lzma.compress(b"a,b\n1,2\n"), "xz data"),
        "docs/d.html": (written(tarred), "a tar archive"),
        "docs/db.txt": (database(tmp_path), "an SQLite database"),
        "docs/h5.txt": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        "docs/onnx.txt": (b"\x08\x08\x12\x07pytorch\x1a\x032.1", "an ONNX model"),
        "docs/safe.txt": (struct.pack("<Q", 40) + b'{"weight":{"dtype":"F32"}}', "a safetensors"),
        "docs/duck.txt": (b"\0" * 8 + b"DUCK" + bytes(90), "a DuckDB database"),
        "docs/unknown.txt": (bytes(range(256)), "it is binary"),
        "docs/.gitkeep": (written(FRAME.to_parquet), "a Parquet table"),
        "docs/large.png": (PNG + bytes(600_000), "it has 610,248 bytes"),
        "docs/large.md": ("words and words\n" * 40_000, "it has 640,000 bytes"),
        "uv.lock": (b"a,b\n" + b"1,2\n" * 200, "it holds a table"),
    }


def tables() -> dict[str, tuple[str, str]]:
    """Innocent name → a table as text, and how the finding says it is written."""
    records = FRAME.to_dict(orient="records")
    prose = "# What we did\n\nWe looked at it, and it was, all in all, fine.\n\n"
    return {
        "docs/rows.txt": (FRAME.to_csv(index=False), "201 lines separated by commas"),
        "docs/rows.md": (prose + FRAME.to_csv(sep=";") + prose, "separated by semicolons"),
        "docs/rows": (FRAME.to_csv(sep="\t"), "separated by tabs"),
        "docs/bars.md": (
            prose
            + "".join(f"| {a} | {b} |\n" for a, b in zip(range(200), "xy" * 100, strict=True)),
            "200 lines separated by bars",
        ),
        "docs/lines.md": (
            "".join(json.dumps(one) + "\n" for one in records),
            "separated by commas",
        ),
        "docs/pairs.md": ("".join(f'{{"v": {n}}}\n' for n in range(200)), "of JSON, one a line"),
        "docs/list.yaml": (json.dumps(records, indent=1), "200 lines of JSON"),
        "docs/inner.json": (json.dumps({"data": FRAME.to_numpy().tolist()}), "200 lines of JSON"),
        "docs/columns.json": (FRAME.to_json(), "200 lines of JSON"),
        "docs/numbers.txt": ("".join(f"{n} {n / 7:.3f}\n" for n in range(200)), "of numbers"),
        "docs/one.txt": ("".join(f"{n / 7:.3f}\n" for n in range(200)), "of numbers"),
        "docs/page.html": (FRAME.to_html(), "of HTML"),
        "docs/quoted.txt": (FRAME.to_csv(quoting=csv.QUOTE_ALL), "201 lines separated by commas"),
        "docs/deep.json": (json.dumps({"a": {"b": [{"c": records}]}}), "200 lines of JSON"),
        "docs/code.js": (f"const data = {json.dumps(records, indent=1)};\n", "200 lines of JSON"),
        "docs/records.yaml": (yaml.safe_dump(records), "200 lines of YAML records"),
        "docs/rows.xml": (FRAME.to_xml(parser="etree"), "of XML"),
        "docs/tilde.txt": (FRAME.to_csv(sep="~"), "separated by tildes"),
        "docs/keys.txt": ("".join(f"a={n} b=x{n}\n" for n in range(200)), "of keys and values"),
        "docs/line.py": (f"ROWS = {[(n, 'x') for n in range(200)]!r}\n", "all in one"),
        "docs/cell.json": (
            json.dumps({"cells": [{"source": FRAME.to_csv(sep=";").splitlines(keepends=True)}]}),
            "separated by semicolons, within JSON",
        ),
        "tests/rows.py": (
            "ROWS = [\n" + "".join(f'    ({n}, "x", {n / 7:.3f}),\n' for n in range(200)) + "]\n",
            "separated by commas",
        ),
        "docs/wide.csv": (FRAME.to_csv(index=False).encode("utf-16").decode("latin-1"), "commas"),
        "docs/tree.txt": ("tree\nversion=v4\nnum_class=1\n", "a LightGBM model"),
        "docs/boost.json": ('{"learner":{"attributes":{}}}', "an XGBoost model"),
    }


def test_data_are_found_under_an_innocent_name(own: baked.BakedProject, tmp_path: Path) -> None:
    # Given data, models and archives under names of texts, pictures, code and locks
    wanted = binary(tmp_path)
    texts = {name: (text.encode("latin-1"), said) for name, (text, said) in tables().items()}
    for name, (data, _) in (wanted | texts).items():
        put(own, name, data)
    # When all that git tracks is checked
    found = check(own, "data-in-git")
    # Then each is named, with what it is and the commands that hand it to DVC, and nothing else is
    assert found.keys() == wanted.keys() | texts.keys()
    for name, (_, said) in (wanted | texts).items():
        assert said in found[name], name
        assert f"`git rm --cached {name}`" in found[name]
        assert f"`uv run dvc add {name}`" in found[name]


def test_ordinary_project_files_are_not_reported_as_data(
    project_after_run: baked.BakedProject, tmp_path: Path
) -> None:
    # Given a project after its pipeline ran, and what people add to one
    own = baked.copy_project(project_after_run, tmp_path, "mlruns")
    put(own, "uv.lock", "version = 1\n" + '    { url = "https://a", hash = "b" },\n' * 20_000)
    put(own, "docs/picture.png", PNG)
    put(own, "docs/small.csv", FRAME.head(50).to_csv())
    put(own, "docs/latin.md", "Grüße, ganz ohne Tabelle\n".encode("latin-1"))
    put(own, "data/source/rows.csv.dvc", "outs:\n- md5: 0\n  path: rows.csv\n")
    put(own, "tests/test_ours.py", "import os\n\n\n" + "def test_it() -> None:\n    pass\n" * 99)
    log = "".join(f"- fix: something of number {n}\n" for n in range(200))
    put(own, "docs/changes.md", f"# Changes\n\n{log}")
    put(own, "docs/list.py", "NAMES = [\n" + '    "a name",\n' * 200 + "]\n")
    expectation = {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "meta": {}}
    wide = json.dumps({"name": "wide", "expectations": [expectation] * 300}, indent=2)
    put(own, "governance/expectations/wide.json", wide)
    (own.path / "docs" / "link.md").symlink_to("../data/raw.parquet")
    baked.git(own.path, "add", "docs/link.md")
    # When all of it is checked, then nothing is found
    assert check(own, "data-in-git") == {}


def test_outputs_of_stages_are_only_removed_from_git_not_added_to_dvc(
    own: baked.BakedProject,
) -> None:
    # Given outputs of the pipeline that somebody added by force, and a text among the data
    put(own, "data/raw.parquet", written(FRAME.to_parquet))
    put(own, "data/split/train.parquet", written(FRAME.to_parquet))
    put(own, "data/readme.txt", "Do not touch.\n")
    # When they are checked
    found = check(own, "data-in-git")
    # Then DVC is not told twice of what it has
    assert found.keys() == {"data/raw.parquet", "data/split/train.parquet", "data/readme.txt"}
    assert "it is a stage's output" in found["data/raw.parquet"]
    assert "dvc add" not in found["data/split/train.parquet"]
    assert "data/ belongs to DVC" in found["data/readme.txt"]


@pytest.mark.slow
def test_the_commands_in_the_message_fix_the_finding(own: baked.BakedProject) -> None:
    # Given a table in the wrong place
    put(own, "docs/rows.txt", FRAME.to_csv())
    said = check(own, "data-in-git")["docs/rows.txt"]
    # When the commands of the message are run
    assert "`git rm --cached docs/rows.txt`, then `uv run dvc add docs/rows.txt`" in said
    baked.git(own.path, "rm", "--quiet", "--cached", "docs/rows.txt")
    own.run(["dvc", "add", "--quiet", "docs/rows.txt"])
    baked.git(own.path, "add", "--all")
    # Then git keeps a pointer, and the check is content
    assert "docs/rows.txt.dvc" in own.files
    assert "docs/rows.txt" not in own.files
    assert check(own, "data-in-git") == {}


def test_the_wheel_that_the_engine_is_pinned_to_may_be_in_git(own: baked.BakedProject) -> None:
    # Given a wheel in the project that is not the engine's source, when it is checked
    path = "vendor/governed_ml-0.3.0-py3-none-any.whl"
    put(own, path, written(zipped))
    # Then it belongs to DVC, as any archive
    assert "zip archive" in check(own, "data-in-git", path)[path]
    # And when pyproject.toml takes the engine from it, then it may be in git
    pinned = f'governed-ml = {{ path = "{path}" }}'
    text = re.sub(r"^governed-ml = \{.*$", pinned, own.read("pyproject.toml"), flags=re.M)
    own.write("pyproject.toml", text)
    assert check(own, "data-in-git", path) == {}
    # And a table under this name may not
    put(own, path, written(FRAME.to_parquet))
    assert "a Parquet table" in check(own, "data-in-git", path)[path]

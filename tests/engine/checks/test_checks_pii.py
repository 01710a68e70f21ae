"""`governance check pii`: identifiers in files and columns, protected attributes as features."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import baked
import duckdb
import pandas as pd
import pii_corpus
import pytest
import tables
import yaml
from checking import check, copy, put, unable

from governed_ml.core.config import Data
from governed_ml.pipeline.data.synthetic import book

DOCS = baked.ROOT / "docs" / "pii.md"
RAW = "data/raw.parquet"
WRITTEN = {  # what is written → what the finding calls it
    "Write to anna.schmidt@gmail.com": "an e-mail address",
    "IBAN DE89 3704 0044 0532 0130 00, please": "an IBAN",
    "Card 4111 1111 1111 1111, valid": "a payment card",
    "Call +49 30 901820": "a phone number",
    "Tel. 030 901820": "a phone number",
    "NHS number 943 476 5919": "a NHS number",
    "RSSMRA85T10A562S is her code": "an Italian codice fiscale",
    "Card 4111.1111.1111.1111, valid": "a payment card",
    "Call 0049 30 901820": "a phone number",
    "or 202.456.1111, at any time": "a phone number",
    "SSN 536 90 4399": "a US social security number",
    "https://x.org?email=anna.schmidt@gmail.com": "an e-mail address",
    "seen from 93.184.216.34 today": "an IP address",
    "the conversion that 93.184.216.34 released": "an IP address",
    "seen from 2606:2800:220:1:248:1893:25c8:1946": "an IP address",
}


@pytest.fixture(scope="module")
def shared(
    project: baked.BakedProject, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> baked.BakedProject:
    """A copy of the default project, to which the tests here add files."""
    return copy(project, environment, tmp_path_factory.mktemp("pii"))


@pytest.fixture
def own(project: baked.BakedProject, environment: Path, tmp_path: Path) -> baked.BakedProject:
    """A copy of the default project for one test."""
    return copy(project, environment, tmp_path)


def without_numbers(page: str) -> str:
    """Return a page whose cells of numbers are empty."""
    return re.sub(r"(?<=\| )[\d.,]+(?= \|)|(?<=recall )[\d.]+|(?<=Precision )[\d.]+", "", page)


@pytest.mark.slow
def test_precision_and_recall_are_as_stated() -> None:
    # Given the corpus of identifiers and look-alikes, when the check looks through it
    found = pii_corpus.measure()
    print(pii_corpus.shown(found))
    # Then docs/pii.md has the same tables, as `python tests/helpers/pii_corpus.py` prints them
    stated = DOCS.read_text(encoding="utf-8")
    assert without_numbers(pii_corpus.shown(found)) in without_numbers(stated)
    # And it finds what the page says, but for what another release of a library may change
    rows = dict(re.findall(r"^\| ([^|]+) \| .* \| ([\d.,]+) \|$", stated, re.M))
    assert rows.keys() == found.keys()
    for name, one in found.items():
        if name in pii_corpus.LOOK_ALIKES:
            assert one["false"] <= int(rows[name]) + 2, name
        else:
            assert one["found"] / one["drawn"] >= float(rows[name]) - 0.01, name
    numbers = re.compile(r"Precision ([\d.]+), recall ([\d.]+)\.")
    told, now = numbers.search(stated), numbers.search(pii_corpus.shown(found))
    assert told
    assert now
    assert float(now[1]) >= float(told[1]) - 0.002
    assert float(now[2]) >= float(told[2]) - 0.002
    assert float(now[1]) > 0.99
    assert float(now[2]) > 0.99


def test_an_identifier_in_a_file_is_named_and_not_repeated(own: baked.BakedProject) -> None:
    # Given identifiers in texts, code, configuration and the output of a notebook
    for number, text in enumerate(WRITTEN):
        put(own, f"docs/{number}.md", f"# Notes\n\n{text}.\n")
    output = {"text": ["name mail\n", "0 a anna.schmidt@gmail.com\n", "1 b\n4111111111111111\n"]}
    put(own, "a.ipynb", json.dumps({"cells": [{"outputs": [output]}]}, indent=1))
    put(own, "conf/ours.yaml", "owner: anna.schmidt@gmail.com\nphone: 030 901820\n")
    put(own, "docs/people.txt", "name,ssn\nanna,536-90-4399\nbob,536904399\n")
    # When all that git tracks is checked
    done = own.call("check", "pii", code=1)
    found = check(own, "pii")
    # Then each is named with its kind and line
    for number, kind in enumerate(WRITTEN.values()):
        assert found[f"docs/{number}.md"].startswith(f"line 3 holds what looks like {kind}: ")
    assert "line 8 holds what looks like an e-mail address: a…m" in found["a.ipynb"]
    assert "payment card" in found["a.ipynb"]
    assert "e-mail address" in found["conf/ours.yaml"]
    assert "line 2 holds what looks like a phone number" in found["conf/ours.yaml"]
    assert "line 2 holds what looks like a US social security number" in found["docs/people.txt"]
    assert "(and 1 more)" in found["docs/people.txt"]
    assert len(found) == len(WRITTEN) + 3
    # And none is written out where a log would keep it
    for secret in ("schmidt", "3704", "1111", "901820", "476", "RSSMRA", "93.184", "1893", "9043"):
        assert secret not in done.stdout + done.stderr


def test_identifiers_that_a_project_must_contain_are_not_reported(
    bake_runnable: baked.BakedProject,
) -> None:
    # Given a project of a real author, with approvers, and what only looks like an identifier
    own = bake_runnable(author_email="anna.schmidt@gmail.com")
    people = "people:\n  - name: bob\n    emails: [bob@firma.io, bob@web.de]\n"
    put(own, "governance/approvers.yaml", people)
    put(own, "README.md", "Ask anna.schmidt@gmail.com or bob@web.de, or you@example.org.\n")
    put(own, "docs/a.md", "a@b.example noreply@firma.io 1+x@users.noreply.github.com 127.0.0.1\n")
    put(own, "docs/d.md", "phone 20240115\nsection 8.2.1.4\noid 1.3.6.1\nversion: 9.9.9.9\n")
    put(own, "docs/b.md", "+1 202 555 0143, 192.168.1.7, 203.0.113.9, git@github.com:a/b.git\n")
    put(
        own,
        "uv.lock",
        'version = 1\n[[package]]\nurl = "https://a/opencv-4.12.0.88.whl"\n4.12.0.88',
    )
    # When all of it is checked, then nothing is found
    assert check(own, "pii") == {}
    # And an address that is not under those keys is found, also of the same house
    put(own, "docs/c.md", "carla@firma.io\n")
    assert check(own, "pii").keys() == {"docs/c.md"}


def test_trap_30_no_comment_or_variable_disables_the_check(own: baked.BakedProject) -> None:
    # Given an identifier beside every mark that other tools obey, and settings that nobody knows
    marks = ("noqa", "nosec", "type: ignore", "pragma: allowlist secret", "pii: ignore", "fmt: off")
    text = "".join(f"anna.schmidt@gmail.com  # {mark}\n" for mark in marks)
    put(own, "tests/fixture.py", text)
    put(own, "docs/rows.txt", "a,b\n" + "1,2\n" * 200)
    put(own, ".gitattributes", own.read(".gitattributes") + "tests/* -text linguist-generated\n")
    own.write("pyproject.toml", own.read("pyproject.toml") + "\n[tool.governance]\npii = false\n")
    # When the checks run with the variables that skip things elsewhere, then they find it
    skip = {"SKIP": "pii,data-in-git", "PRE_COMMIT_ALLOW_NO_CONFIG": "1", "CI": "false"}
    assert f"(and {len(marks) - 1} more)" in check(own, "pii", **skip)["tests/fixture.py"]
    assert "it holds a table" in check(own, "data-in-git", **skip)["docs/rows.txt"]
    # And they have no option for that
    assert "No such option" in own.call("check", "--skip", "pii", code=2).stderr


# The data


def test_an_identifier_in_a_column_is_found_by_any_name(own: baked.BakedProject) -> None:
    # Given a table with identifiers in some columns, and ordinary numbers and codes in others
    rows = 600
    cards = [int(pii_corpus.card().replace(" ", "").replace("-", "")) for _ in range(rows)]
    bsn = [n for n in range(100000000, 100020000) if weighted(str(n), (9, 8, 7, 6, 5, 4, 3, 2, -1))]
    frame = pd.DataFrame(
        {
            "note": ["fine"] * (rows - 1) + ["ask anna.schmidt@gmail.com"],
            "a": cards,
            "b": [pii_corpus.iban() for _ in range(rows)],
            "c": [pii_corpus.phone_abroad() for _ in range(rows)],
            "bsn_nr": bsn[:rows],
            "telephone": [f"030 9{n:06}" for n in range(rows)],
            "seen": [None, *(pii_corpus.ip() for _ in range(rows - 1))],
            "order_id": [4 * 10**15 + 7 * n for n in range(rows)],
            "code": bsn[:rows],
            "key": [float(4 * 10**15 + n) for n in range(rows - 1)] + [None],
            "at": pd.date_range("2026-01-01", periods=rows, freq="s"),
            "amount": [n * 1.37 for n in range(rows)],
            "sha": [f"{n:040x}" for n in range(rows)],
            "version": ["1.2.3.4"] * rows,
            "customerPhone": [2024561000 + n for n in range(rows)],
            "socialSecurityNumber": [536900000 + n for n in range(rows)],
            "mobile_data_bytes": [2024561000 + n for n in range(rows)],
            "app_build": [f"93.184.216.{n % 250 + 1}" for n in range(rows)],
        }
    )
    (own.path / "data").mkdir(exist_ok=True)
    frame.to_parquet(own.path / RAW)
    # When the table is checked
    done = own.call("check", "pii", RAW, code=1)
    # Then each column is named with what it holds, and the ordinary ones are not
    form = r"column '(\w+)': ([\w -]+) in [\d,]+ values:"
    assert dict(re.findall(form, done.stderr)) == {
        "note": "e-mail address",
        "a": "payment card",
        "b": "IBAN",
        "c": "phone number",
        "bsn_nr": "Dutch BSN",
        "telephone": "phone number",
        "customerPhone": "phone number",
        "socialSecurityNumber": "US social security number",
        "seen": "IP address",
    }
    assert "schmidt" not in done.stderr
    assert not any(str(card) in done.stderr for card in cards)
    # And a commit that does not speak of the data does not read them
    assert check(own, "pii", "README.md") == {}


def weighted(number: str, weights: tuple[int, ...]) -> bool:
    """Whether the weighted sum of the digits is a multiple of eleven."""
    return sum(int(one) * by for one, by in zip(number, weights, strict=True)) % 11 == 0


@pytest.mark.parametrize("name", ["adult", "bike_sharing_hour", "credit_default_taiwan",
                                  "german_credit", "parkinsons_telemonitoring"])  # fmt: skip
def test_no_ordinary_column_of_a_real_table_is_taken_for_an_identifier(
    shared: baked.BakedProject, name: str
) -> None:
    # Given a real table, ingested
    source = tables.FOLDER / f"{name}.csv"
    if not source.is_file():
        pytest.skip(f"no {source}: name the folder of the real tables in GOVERNED_ML_DATA")
    target = shared.path / RAW
    target.parent.mkdir(exist_ok=True)
    duckdb.sql(f"COPY (FROM read_csv('{source}')) TO '{target}'")
    # When its columns are checked, then nothing is found
    assert check(shared, "pii", RAW) == {}


def test_the_fault_of_the_credit_book_is_caught(own: baked.BakedProject) -> None:
    # Given the synthetic credit book, in which 2 % of the purposes hold an address
    book(40_000, 1, ["pii"]).to_parquet(own.path / RAW)
    # When it is checked, then the column is named: no domain is nobody's in data
    assert "column 'purpose'" in check(own, "pii", RAW)[RAW]
    # And without the fault nothing is
    book(40_000, 1, []).to_parquet(own.path / RAW)
    assert check(own, "pii", RAW) == {}


def test_a_check_that_cannot_run_does_not_pass(
    own: baked.BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an environment without DuckDB, and one without the libraries that check digits
    pd.DataFrame({"a": [1]}).to_parquet(own.path / RAW)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    put(own, "docs/a.md", "+49 30 901820\n")
    # When data and files are checked, then the check says what is missing
    assert "DuckDB is not installed" in unable(own, "pii", RAW)
    assert "phonenumbers is missing: run this after `uv sync`" in unable(own, "pii", "docs/a.md")
    # And data that are not here are told, where the lock speaks of them
    (own.path / RAW).unlink()
    put(own, "dvc.lock", "schema: '2.0'\n")
    done = own.call("check", "pii", "dvc.lock", code=0)
    assert (
        f"{RAW} is not in this clone, so its columns were not checked: run `uv run dvc pull`"
        in done.stderr
    )


# Protected attributes and proxies


def test_a_sensitive_attribute_or_its_proxy_as_a_feature_is_found(own: baked.BakedProject) -> None:
    # Given a configuration with a proxy that nothing keeps from the features
    data = {"target": "repaid", "sensitive": {"SEX": {}}, "drop": ["id"], "proxies": ["region"]}
    put(own, "params.yaml", yaml.safe_dump({"data": data}))
    said = check(own, "pii", "params.yaml")
    assert said["params.yaml"].startswith("'region' is both a proxy (data.proxies) and a feature")
    assert "list it under drop in conf/data" in said["params.yaml"]
    # When it is dropped, and the evidence of the split names it and an attribute as features
    put(own, "params.yaml", yaml.safe_dump({"data": data | {"drop": ["id", "region"]}}))
    body = {"numeric": ["income"], "categorical": ["Sex", "region"]}
    put(own, "reports/evidence/split.json", json.dumps({"body": body}))
    said = check(own, "pii", "reports/evidence/split.json")
    # Then both are found
    assert said.keys() == {"reports/evidence/split.json"}
    lines = said["reports/evidence/split.json"]
    assert "'SEX' is named under data.sensitive and is among the features" in lines
    assert "'region' is named under data.proxies and is among the features" in lines
    # And where they are kept apart, nothing is
    body = {"numeric": ["income"], "categorical": []}
    put(own, "reports/evidence/split.json", json.dumps({"body": body}))
    assert check(own, "pii", "params.yaml") == {}


def test_the_configuration_may_name_proxies() -> None:
    # Given the data configuration of the default project, when it names proxies that are dropped
    path = baked.TEMPLATE / "conf" / "data" / "synthetic.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    # Then it is valid, and without them there is none
    assert Data.model_validate(values | {"drop": ["region"], "proxies": ["region"]}).proxies
    assert Data.model_validate(values).proxies == []


def test_checking_a_text_file_imports_no_heavy_library(own: baked.BakedProject) -> None:
    # Given a commit of the README, when each check of files runs, then nothing heavy is imported
    code = (
        "import sys\nfrom pathlib import Path\nfrom governed_ml.checks.run import run\n"
        "for name in ('data-in-git', 'notebooks', 'pii', 'workflows'):\n"
        "    assert run(Path.cwd(), name, ['README.md']) == [], name\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    heavy = {"pydantic", "yaml", "duckdb", "pandas", "numpy", "phonenumbers", "stdnum", "hydra"}
    loaded = set(own.run(["python", "-c", code]).stdout.split())
    assert "governed_ml" in loaded
    assert not heavy & loaded

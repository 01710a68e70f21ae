"""Find direct identifiers in a sample of the ingested table's rows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from governed_ml.checks.finding import CheckFinding
from governed_ml.checks.identifiers import national_ids
from governed_ml.checks.identifiers.detection import CARD, IBAN, PHONE_WORDS, find, masked
from governed_ml.core.problem import Problem

SAMPLE = 10_000  # rows
SEED = 2026
CHECKED = {"IBAN": IBAN, "payment card": CARD}  # and national ids: some are valid by chance;
SHARE = 0.5  # at least this share of a column's matching values must be valid
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
# Words that show that a number is something else: of a telephone line or a software.
MEASURE = re.compile(
    r"\b(?:bytes?|[kmg]i?b|data|usage|duration|ms|secs?|seconds?|minutes?|revenue|cents|cost|costs|"
    r"price|spend|fee|fees|charge|bill|count|counts|calls|log|id|ids|model|plan|type)\b",
    re.IGNORECASE,
)
BUILD = re.compile(
    r"\b(?:versions?|releases?|builds?|firmware|software|drivers?|revisions?|sdk)\b", re.IGNORECASE
)
FIX = "leave out the column at the source (source in conf/data), or replace it by a key"


def findings(base: Path) -> list[CheckFinding]:
    """Find identifiers in `data/raw.parquet`, which has every column of the source."""
    from governed_ml.core.tables import RAW, columns

    if not (base / RAW).is_file():
        if (base / "dvc.lock").is_file():
            said = f"{RAW.as_posix()} is not in this clone, so its columns were not checked"
            print(f"{said}: run `uv run dvc pull`", file=sys.stderr)
        return []
    try:
        kinds = columns(base / RAW)
        found: list[CheckFinding] = []
        for name, values in _values(base / RAW, kinds).items():
            found += _in_column(RAW.as_posix(), name, values)
    except ImportError as error:
        raise Problem(
            "DuckDB is not installed, so the data cannot be read: run `uv sync`"
        ) from error
    return found


def _values(path: Path, kinds: dict[str, str]) -> dict[str, list[str]]:
    """Return column → a sample of its values as text, for columns of text and whole numbers."""
    from governed_ml.core.tables import quoted, rows, table

    wanted = {name: _as_text(quoted(name), kind) for name, kind in kinds.items()}
    chosen = {name: sql for name, sql in wanted.items() if sql}
    if not chosen:
        return {}
    sample = f"USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE ({SEED})"
    part = f"(SELECT * FROM {table(path)} {sample})"
    lists = ", ".join(f"list(DISTINCT {sql}) FILTER ({sql} IS NOT NULL)" for sql in chosen.values())
    found = rows(f"SELECT {lists} FROM {part}")[0]
    return {name: sorted(values or []) for name, values in zip(chosen, found, strict=True)}


def _as_text(column: str, kind: str) -> str | None:
    """Return SQL for a column's values as text; None if its type cannot hold an identifier."""
    if kind in ("FLOAT", "DOUBLE"):  # whole numbers become decimals if there are nulls
        whole = f"{column} = floor({column}) AND abs({column}) BETWEEN 1e8 AND 1e18"
        return f"CASE WHEN {whole} THEN {column}::HUGEINT::VARCHAR END"
    plain = ("DATE", "TIME", "BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTERVAL")
    return None if kind.startswith(plain) else f"{column}::VARCHAR"


def _in_column(table: str, name: str, values: list[str]) -> list[CheckFinding]:
    lines = [" ".join(value.split()) for value in values]
    about = CAMEL.sub(" ", name)
    about = PHONE_WORDS.sub("", about) if MEASURE.search(about) else about
    found: dict[str, list[str]] = {}
    for hit in find(lines, about):
        if hit.kind != "IP address" or not BUILD.search(about):
            found.setdefault(hit.kind, []).append(hit.written)
    return [
        CheckFinding(
            table, f"column {name!r}: {kind} in {len(hits):,} values: {masked(hits[0])}", FIX
        )
        for kind, hits in found.items()
        if len(hits) >= SHARE * _of_this_form(kind, lines)
    ]


def _of_this_form(kind: str, lines: list[str]) -> int:
    """Return how many values match the pattern of this kind; 0 if chance matches are unlikely."""
    ids = [national_ids.pattern(one) for one in national_ids.IDS if one.name == kind]
    patterns = ids or [one for name, one in CHECKED.items() if name == kind]
    return sum(any(one.search(line) for one in patterns) for line in lines)

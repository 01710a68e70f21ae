"""Credit books of any size by DuckDB, straight to Parquet: 15 columns like the default book's."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

NUMERIC = {
    "income": "round(1500 + 90000 * pow({u}, 3), -1)",
    "loan_amount": "round(200 + 40000 * pow({u}, 3), -1)",
    "debt_ratio": "round({u}, 3)",
    "credit_history_years": "round(40 * {u}, 1)",
    "late_payments": "floor(8 * pow({u}, 4))",
    "savings": "CASE WHEN {v} < 0.08 THEN NULL ELSE 90000 * pow({u}, 3) END",
}
MORE = {  # for 15 columns with row number and target, where the sensitive ones are not
    "interest_rate": "2 + 9 * pow({u}, 2)",
    "bureau_score": "round(300 + 550 * sqrt({u}))",
    "open_accounts": "floor(20 * pow({u}, 2))",
}
CATEGORICAL = {
    "region": ("east", "islands", "north", "south", "west"),
    "employment_status": ("permanent", "retired", "self_employed", "temporary", "unemployed"),
    "housing": ("family", "owner", "tenant"),
    "purpose": ("business", "car", "education", "home"),
}
SENSITIVE = {"sex": ("female", "male"), "age_group": ("18-29", "30-49", "50+")}


def uniform(salt: str) -> str:
    """SQL of a number in [0, 1) from the row number."""
    return f"(hash(i, {salt!r}) % 1000003 / 1000003.0)"


def choice(name: str, seed: str) -> str:
    """SQL of one of a column's categories; 2 % of the employment statuses are null."""
    values = (CATEGORICAL | SENSITIVE)[name]
    pick = f"[{', '.join(map(repr, values))}]"
    chosen = f"{pick}[1 + CAST(floor(pow({uniform(name + seed)}, 1.5) * {len(values)}) AS INT)]"
    missing = f"CASE WHEN {uniform(name + '?' + seed)} < 0.02 THEN NULL ELSE {chosen} END"
    return missing if name == "employment_status" else chosen


def number(name: str, seed: str) -> str:
    """SQL of a numeric column."""
    formula = (NUMERIC | MORE)[name]
    return "CAST({} AS DOUBLE)".format(
        formula.format(u=uniform(name + seed), v=uniform(name + "?" + seed))
    )


def write(columns: dict[str, str], rows: str, path: Path) -> None:
    """Write SQL columns over a range `i` to Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {chosen} FROM {rows} r(i)) TO '{path.as_posix()}' (FORMAT parquet)"
        )


def raw(rows: int, folder: Path) -> None:
    """Write `data/raw.parquet`: 15 columns that keep the default contract, but for one column."""
    columns = {
        "application_id": "'A' || lpad(CAST(i AS VARCHAR), 8, '0')",
        "applied_on": f"TIMESTAMP '2023-01-01' + INTERVAL 1 DAY * CAST(i * 1096 // {rows} AS INT)",
    }
    columns |= {name: choice(name, "") for name in (*SENSITIVE, *CATEGORICAL)}
    columns |= {name: number(name, "") for name in NUMERIC}
    columns["repaid"] = f"CASE WHEN {uniform('repaid')} < 0.7 THEN 'yes' ELSE 'no' END"
    write(columns, f"range({rows})", folder / "data" / "raw.parquet")
    suite = folder / "governance" / "expectations" / "synthetic.json"
    content = json.loads(suite.read_text(encoding="utf-8"))
    content["expectations"] = [
        one for one in content["expectations"] if one["kwargs"].get("column") != "credit_limit"
    ]
    for one in content["expectations"]:
        if "column_set" in one["kwargs"]:
            one["kwargs"]["column_set"] = list(columns)
    suite.write_text(json.dumps(content), encoding="utf-8")


def split(rows: int, folder: Path) -> None:
    """Write train and test parts of `rows` rows each, groups, predictions, and what they are."""
    data = folder / "data"
    target = f"CAST({uniform('y')} < 0.7 AS BIGINT)"
    score = f"({uniform('score')} * 0.6 + 0.4 * {target})"
    for part, first in (("train", 0), ("test", rows)):
        some = f"range({first}, {first + rows})"
        columns = {"__row": "i"} | {name: choice(name, "") for name in CATEGORICAL}
        columns |= {name: number(name, "") for name in (*NUMERIC, *MORE)} | {"__target": target}
        write(columns, some, data / "split" / f"{part}.parquet")
        groups = {"__row": "i"} | {name: choice(name, "") for name in SENSITIVE}
        write(groups, some, data / "sensitive" / f"{part}.parquet")
    predictions = {
        "__row": "i",
        "part": f"CASE WHEN i < {rows} THEN 'train' ELSE 'test' END",
        "__target": target,
        "score": score,
        "prediction": f"CAST({score} > 0.5 AS BIGINT)",
    }
    write(predictions, f"range({2 * rows})", data / "predictions.parquet")
    evidence = folder / "reports" / "evidence" / "split.json"
    content = json.loads(evidence.read_text(encoding="utf-8"))
    content["body"] |= {"numeric": [*NUMERIC, *MORE], "categorical": list(CATEGORICAL)}
    evidence.write_text(json.dumps(content), encoding="utf-8")

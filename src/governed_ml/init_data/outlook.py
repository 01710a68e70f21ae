"""What can be known before training: a split for the size, too few rows or groups, leaks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from governed_ml.core import tables
from governed_ml.core.config.closed_model import as_code
from governed_ml.core.config.composition import compose
from governed_ml.core.config.params import Params
from governed_ml.core.config.split import CROSS_VALIDATED
from governed_ml.core.tables import TARGET, literal, quoted
from governed_ml.init_data import target_values
from governed_ml.init_data.answers import Draft
from governed_ml.init_data.profile import Profile, values
from governed_ml.measures import leaks
from governed_ml.measures.multiclass import leaks as class_leaks
from governed_ml.pipeline.data.cells import digits
from governed_ml.pipeline.data.persons import is_person

if TYPE_CHECKING:
    import duckdb

SAMPLE = 20_000
FEWEST = 15  # rows, in each class of a classification, from which leaks are looked for
SIDE = "__side"  # which of the two parts a row is in
MOST = 200  # most features that are looked at for leaks
PERFORMANCE = "evaluate.roc_auc"  # the rule that wants rows of each class
WIDE = 500  # features from which the pipeline takes long


def limit(params: Params, rule: str) -> float | None:
    """Return the policy's `block` of a rule; None if there is no such rule or limit."""
    return next((one.block for one in params.policy.rules if one.id == rule), None)


class SplitChoice(NamedTuple):
    """The configuration with the split, its name, and why it is not the usual one (or "")."""

    params: Params
    name: str
    reason: str = ""


def split_choice(conf: Path, tier: str, usual: str, rows: int, draft: Draft) -> SplitChoice:
    """Return the usual split or, if it leaves fewer test rows than the policy wants, folds.

    A table whose rows have a time is split by time, whatever its size. So is every table of a
    project whose template had no folds.
    """
    params = compose(conf, [f"policy={tier}", f"split={usual}"])
    wanted, test = limit(params, "split.test_rows"), math.floor(rows * params.split.tested)
    folds = (conf / "split" / f"{CROSS_VALIDATED}.yaml").is_file()
    if wanted is None or test >= wanted or "time" in draft.keys or not folds:
        return SplitChoice(params, usual)
    return SplitChoice(
        compose(conf, [f"policy={tier}", f"split={CROSS_VALIDATED}"]),
        CROSS_VALIDATED,
        f"a split would leave about {test:,} test rows, but the policy wants {wanted:,.0f}; with "
        f"cross-validation, each of the {rows:,} rows is a test row",
    )


def rows_missing(params: Params, rows: int) -> list[str]:
    """Say whether the policy wants more test rows than the table gives."""
    wanted, share = limit(params, "split.test_rows"), params.split.tested
    test = math.floor(rows * share)
    if wanted is None or test >= wanted:
        return []
    need = math.ceil(wanted / share)
    give = (
        f"{rows:,} rows give about {test:,} test rows" if share < 1 else f"there are {rows:,} rows"
    )
    words = (
        f"{give}, and the policy wants {wanted:,.0f}: the "
        f"model will be denied until the table has about {need:,} rows"
    )
    return [words]


def small_groups(
    db: duckdb.DuckDBPyConnection, params: Params, draft: Draft, found: dict[str, Profile]
) -> list[str]:
    """Say which groups are too small for the fairness rules, and how to merge them."""
    rules, share = params.policy.rules, params.split.tested
    wanted = max((one.minimum_n or 0 for one in rules if one.each == "sensitive"), default=0)
    told: list[str] = []
    for name, how in draft.keys.get("sensitive", {}).items():
        if how.get("bins"):
            continue
        who = draft.keys.get("group")  # the bounds count persons, not rows
        counts = [*values(db, name, 1_000, who)]
        gone = found[name].rows - found[name].filled
        counts += [("missing", gone)] if gone else []
        small = [(value, n) for value, n in counts if n * share < wanted]
        if not small or wanted == 0:
            continue
        units = "rows" if who is None else "persons" if is_person(who) else f"values of {who!r}"
        listed = ", ".join(f"{value} ({n:,})" for value, n in small[:5])
        listed += f" and {len(small) - 5} more" if len(small) > 5 else ""
        fix = f"merge groups with `labels` under sensitive.{name}, or take more rows"
        if len(counts) == 2:
            fix = "take more rows of them, because merging would leave one group"
        told.append(
            f"{name}: too few {units} in {listed}: the fairness rules want {wanted} of each group "
            f"among the test rows, about {math.ceil(wanted / share):,} in the table; {fix}"
        )
    return told


def rare_classes(
    params: Params, draft: Draft, db: duckdb.DuckDBPyConnection, one: Profile
) -> list[str]:
    """Say which classes of the target are too rare for the rule about performance.

    A class is not rare if it has enough rows in a table with as many rows as the policy wants.
    """
    if draft.keys["task"] != "classification":
        return []
    rules, share = params.policy.rules, params.split.tested
    wanted = max((rule.minimum_n or 0 for rule in rules if rule.id == PERFORMANCE), default=0)
    found = target_values.predicted(draft, db, one)
    rows = max(sum(found.values()) * share, limit(params, "split.test_rows") or 0)
    shares = {value: n / sum(found.values()) for value, n in found.items()}
    small = {value: n for value, n in found.items() if shares[value] * rows < wanted}
    if not small:
        return []
    fix = "take more rows"
    if "classes" in draft.keys:
        fix = "merge classes with `spellings`, leave their rows out with `rows`, or predict one "
        fix += "class against all others with --positive"
    words = (
        f"target {one.column.name!r}: too few rows of {target_values.listed(small)}: the rule "
        f"{PERFORMANCE} wants {wanted} test rows of each class, about "
        f"{math.ceil(wanted / share):,} rows; {fix}"
    )
    return [words]


def too_wide(columns: int) -> list[str]:
    """Say that many features make the pipeline slow."""
    if columns <= WIDE:
        return []
    words = (
        f"{columns:,} features: `dvc repro` measures each of them, so it will take several "
        "minutes; list those that you do not need under drop"
    )
    return [words]


def leak_suspects(
    db: duckdb.DuckDBPyConnection,
    params: Params,
    draft: Draft,
    found: dict[str, Profile],
    scratch: Path,
) -> list[str]:
    """Say which features the rules about leaks will deny, measured on a sample of the rows."""
    keys = draft.keys
    no = {keys["target"], keys.get("time"), keys.get("group"), *keys.get("drop", [])}
    no |= {*keys.get("sensitive", {})}
    features = [name for name in found if name not in no][:MOST]
    codes = set(keys.get("categorical", []))
    numeric = [
        n for n in features if found[n].column.type in ("BIGINT", "DOUBLE") and n not in codes
    ]
    others = [
        name for name in features if name not in numeric and found[name].distinct <= SAMPLE / 20
    ]
    kind = found[keys["target"]].column.type
    parts = _parts(db, keys, kind, [*numeric, *others], scratch)
    if not _enough(parts, keys["task"]):
        return []
    names = [as_code(one) for one in keys.get("classes", [])]
    if names:
        scores = class_leaks.target_leaks(*parts, numeric, others, len(names))
    else:
        scores = leaks.target_leaks(*parts, numeric, others, keys["task"])
    plain = keys["task"] == "classification"
    alone = limit(params, "evaluate.leak" if plain else "evaluate.leak_regression")
    measure = "ROC AUC" if plain else "R²"
    told: list[str] = []
    for name, score in scores.items():
        if score is not None and alone is not None and score > alone:
            draft.note(name, f"leak suspect: alone it predicts the target ({measure} {score:.2f})")
            told.append(
                f"leak suspect {name!r}: alone it predicts the target ({measure} {score:.2f}); "
                "list it under drop if it is only known together with the target"
            )
    summed = limit(params, "evaluate.leak_together")
    if len(numeric) > 1 and not told and summed is not None:
        found_together = (
            class_leaks.together(*parts, numeric, names)
            if names
            else leaks.together(*parts, numeric, keys["task"])
        )
        if found_together.value is not None and found_together.value > summed:
            told.append(
                f"leak suspects: together they give the target ({measure} "
                f"{found_together.value:.2f}): {found_together.note}; list one under drop"
            )
    return told


def _enough(parts: tuple[Path, Path], task: str) -> bool:
    """Return whether each part has enough rows to tell a leak from chance.

    A classification needs them of two classes.
    """
    target = quoted(TARGET)
    by = f"GROUP BY {target}" if task == "classification" else ""
    sizes = [
        [int(row[0]) for row in tables.rows(f"SELECT count(*) FROM {tables.table(one)} {by}")]
        for one in parts
    ]
    place = 1 if task == "classification" else 0
    return all(len(one) > place and sorted(one)[-1 - place] >= FEWEST for one in sizes)


def _parts(
    db: duckdb.DuckDBPyConnection,
    keys: dict[str, Any],
    kind: str,
    features: list[str],
    scratch: Path,
) -> tuple[Path, Path]:
    """Write a sample of the rows as two Parquet files, for learning and for measuring."""
    target, kept = quoted(keys["target"]), f"{quoted(keys['target'])} IS NOT NULL"
    if keys["task"] == "classification":
        text = digits(target, kind)
        if "classes" in keys:
            names = ", ".join(literal(as_code(one)) for one in keys["classes"])
            target = f"CAST(list_position([{names}], {text}) - 1 AS BIGINT)"
            kept += f" AND list_contains([{names}], {text})"
        else:
            target = f"CAST({text} = {literal(str(keys['positive']))} AS BIGINT)"
    listed = ", ".join([f"{target} AS {quoted(TARGET)}", *map(quoted, features)])
    group = keys.get("group")
    side = f"hash({quoted(group)})" if group else "row_number() OVER ()"  # no person in both parts
    some = f"USING SAMPLE reservoir({2 * SAMPLE} ROWS) REPEATABLE (7)"
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE sample AS SELECT {listed}, "
        f"row_number() OVER () AS {quoted(tables.ROW)}, {side} % 2 AS {quoted(SIDE)} "
        f"FROM (FROM typed WHERE {kept}) {some}"
    )
    paths = scratch / "learn.parquet", scratch / "judge.parquet"
    for part, path in enumerate(paths):
        db.execute(
            f"COPY (SELECT * EXCLUDE {quoted(SIDE)} FROM sample WHERE {quoted(SIDE)} = {part}) TO "
            f"{literal(str(path))} (FORMAT parquet)"
        )
    return paths

"""Answer an auditor's questions from records: which data, code, parameters and policy, and who.

If no record has an answer, it is None, shown as "no record". Nothing is guessed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governed_ml.core import model_file, tables
from governed_ml.core.files import COMPOSED, PARAMS, file_digest
from governed_ml.core.installation.lockfile import LOCK as UV_LOCK
from governed_ml.core.problem import Problem
from governed_ml.core.repository import extract
from governed_ml.core.terminal import screen
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.lineage.git_origin import origin
from governed_ml.lineage.pipeline_records import RecordedPipeline, honest, read
from governed_ml.policy.decision import LETS_THROUGH
from governed_ml.registry.counted_events import follow_here
from governed_ml.registry.versions import CHALLENGER, CHAMPION, model_name

Section = dict[str, Any]
Account = dict[str, Section]


@dataclass(frozen=True)
class Told:
    """What the records say about one model, and the pipeline that made it."""

    account: Account
    pipeline: RecordedPipeline
    version: Version | None


def known(base: Path) -> Lifecycle:
    """Return every version in this clone's ledger."""
    return follow_here(base)


def chosen(life: Lifecycle, name: str) -> Version:
    """Return the version with this number, alias or beginning of the model's digest."""
    aliases = {CHAMPION: life.champion, CHALLENGER: life.challenger()}
    if name in aliases:
        found = aliases[name]
        if found is None:
            raise Problem(
                f"the ledger has no {name}; `uv run governance status` lists its versions", 1
            )
        return found
    if name.removeprefix("v").isdecimal() and len(name) < 8:
        return life.version(int(name.removeprefix("v")))
    digest = f"sha256:{name.removeprefix('sha256:')}"
    same = [one for one in life.versions.values() if one.subject["model"].startswith(digest)]
    if not same or len(digest) < 15 or len({one.subject["model"] for one in same}) > 1:
        raise Problem(
            f"{name!r} is not a version, an alias or a digest in the ledger; `uv run "
            "governance status` lists them",
            1,
        )
    return same[-1]


def registered(life: Lifecycle, pipeline: RecordedPipeline) -> Version | None:
    """Return the last version with the pipeline's model and table, or None."""
    train, raw = pipeline.of("train"), pipeline.digests.get(tables.RAW.as_posix())
    same = [
        one
        for one in life.versions.values()
        if train and (one.subject["model"], one.subject["data"]) == (train.subject.model, raw)
    ]
    return same[-1] if same else None


def tell(base: Path, name: str | None) -> list[Told]:
    """Return what is known about a model; without a name, about the one here and the champion."""
    life = known(base)
    if name is not None:
        return [_version(base, life, chosen(life, name))]
    pipeline = honest(base, read(base, model_name(base)))
    told = [here(base, life, pipeline)]
    champion = life.champion
    if champion is not None and champion is not told[0].version:
        told.append(_version(base, life, champion))
    return told


def here(base: Path, life: Lifecycle, pipeline: RecordedPipeline) -> Told:
    """Return what is known about the model in the project's folder."""
    version = registered(life, pipeline)
    commit = version.subject["commit"] if version else origin(base, pipeline).commit
    return Told(_account(base, pipeline, life, version, commit), pipeline, version)


def _version(base: Path, life: Lifecycle, version: Version) -> Told:
    with at(base, version.subject["commit"]) as folder:
        pipeline = read(folder, model_name(base))
        account = _account(folder, pipeline, life, version, version.subject["commit"])
        return Told(account, pipeline, version)


@contextmanager
def at(base: Path, commit: str) -> Generator[Path]:
    """Provide the files of a commit in a temporary folder."""
    with tempfile.TemporaryDirectory() as scratch:
        extract(base, commit, Path(scratch))
        yield Path(scratch)


def _account(folder: Path, pipeline: RecordedPipeline, life: Lifecycle, version: Version | None,
             commit: str | None) -> Account:  # fmt: skip
    events = [one.event for one in version.entries] if version else []
    own = [one for one in events if version and one.version == version.number]
    return {
        "model": _model(pipeline, life, version),
        "data": _data(pipeline, version),
        "code": {
            "commit": commit,
            **{stage: one.evidence.subject.code for stage, one in pipeline.steps.items()
               if one.evidence is not None},
        },
        "parameters": {
            **{name: _digest(folder / name) for name in COMPOSED}, **_parameters(pipeline)
        },
        "engine": _engines(pipeline, version),
        "environment": {UV_LOCK: _digest(folder / UV_LOCK), **_tools(pipeline)},
        "policy": _policy(pipeline, version),
        "approved": {
            f"{one.sequence} {said.get('approver')}": _approval(said)
            for one in own
            if one.action == "approved"
            for said in one.approvals
        } or {"by": None},
        "when": {
            "trained": _trained(pipeline),
            **{f"{one.sequence} {one.action}": f"{one.time} by {one.actor}" for one in own},
        },
    }  # fmt: skip


def _engines(pipeline: RecordedPipeline, version: Version | None) -> Section:
    """Return the engines that registered the version, ran each stage, and judged."""
    found: Section = {}
    if version is not None and "engine" in version.subject:
        subject = version.subject
        found["registered by"] = f"{subject.get('engine_version')} {subject['engine']}"
    measured: dict[str, list[str]] = {}
    for stage, one in pipeline.steps.items():
        by = one.evidence.subject.engine if one.evidence else None
        if by is not None:
            measured.setdefault(f"{by.version} {by.digest}", []).append(stage)
    for name, stages in measured.items():
        found["measured by" if len(measured) == 1 else ", ".join(stages)] = name
    by = pipeline.decision.subject.engine if pipeline.decision else None
    if by is not None:
        found["judged by"] = f"{by.version} {by.digest}"
    return found or {"version": None}


def _model(pipeline: RecordedPipeline, life: Lifecycle, version: Version | None) -> Section:
    train = pipeline.of("train")
    aliases = {CHAMPION: life.champion, CHALLENGER: life.challenger()}
    named = [alias for alias, one in aliases.items() if version and one is version]
    digest = version.subject["model"] if version else train.subject.model if train else None
    return {
        "name": pipeline.project,
        "version": version.number if version else None,
        "state": version.state if version else None,
        "alias": ", ".join(named) or None,
        "digest": digest,
        "file": model_file.PATH.as_posix(),
    }


def _data(pipeline: RecordedPipeline, version: Version | None) -> Section:
    ingest, split = pipeline.of("ingest"), pipeline.of("split")
    raw = tables.RAW.as_posix()
    found: Section = {
        "source": ingest.body.uri if ingest else None,
        "source digest": ingest.body.sha256 if ingest else None,
        "table": raw,
        "digest": version.subject["data"] if version else pipeline.digests.get(raw),
        "rows": ingest.body.rows if ingest else None,
        "columns": len(ingest.body.columns) if ingest else None,
        "split": f"{split.body.kind}: {_pairs(split.body.rows)}" if split else None,
    }
    for path in (tables.TRAIN, tables.TEST):
        found[path.as_posix()] = pipeline.digests.get(path.as_posix())
    return found


def _parameters(pipeline: RecordedPipeline) -> Section:
    train = pipeline.of("train")
    seed = pipeline.steps["train"].parameters.get(PARAMS, {}).get("seed") if train else None
    own = {"seed": seed, "estimator": train.body.estimator if train else None}
    return own | (dict(train.body.parameters) if train else {})


def _tools(pipeline: RecordedPipeline) -> Section:
    found: Section = {}
    for one in pipeline.steps.values():
        found |= one.evidence.tools if one.evidence else {}
    return found


def _policy(pipeline: RecordedPipeline, version: Version | None) -> Section:
    if version is not None:  # the policy of its registration
        said = version.entries[0].event.decision or {}
        own = {"digest": version.subject["policy"], "verdict": said.get("verdict")}
        return own | {"tally": said.get("tally")} | dict(said.get("rules", {}))
    decision = pipeline.decision
    if decision is None:
        return {"digest": None, "verdict": f"none: {pipeline.doubt}" if pipeline.doubt else None}
    weak = {one.id: f"{one.verdict}: {one.reason}" for one in decision.by_weight()
            if one.verdict not in LETS_THROUGH}  # fmt: skip
    own = {"digest": decision.policy_digest, "verdict": decision.verdict}
    return own | {"tally": decision.tally(), "judged": decision.volatile.get("judged_on")} | weak


def _approval(said: dict[str, Any]) -> str:
    roles = ", ".join(map(str, said.get("roles", [])))
    return f"as {roles}, {said.get('time')}, {said.get('source')}"


def _trained(pipeline: RecordedPipeline) -> str | None:
    span = pipeline.steps["train"].span if "train" in pipeline.steps else None
    return span[1].isoformat() if span else None


def _pairs(values: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in values.items())


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def show(told: Told) -> None:
    """Print what is known about a model as a table."""
    from rich.table import Table

    from governed_ml.core.terminal import plain

    version = told.version
    title = f"version {version.number}" if version else "the model here, which is not registered"
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("question", style="bold")
    table.add_column("record")
    table.add_column("", overflow="fold")
    for question, section in told.account.items():
        for number, (name, value) in enumerate(section.items()):
            shown = "[yellow]no record[/]" if value is None else plain(str(value))
            table.add_row("" if number else question, plain(name), shown)
    screen().print(table)

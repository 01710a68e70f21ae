"""Verify every link from source to alias by computing its digest again.

The links are source, tables, model, evidence, decision, release, ledger and alias.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

from governed_ml.core import model_file, tables
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.params import Params
from governed_ml.core.config.source_files import is_here, source_digest
from governed_ml.core.evidence import AnyEvidence, collect, usable
from governed_ml.core.files import file_digest
from governed_ml.core.problem import FOUND, Problem, counted, required
from governed_ml.core.repository import has_remote, last_protected
from governed_ml.ledger import approvers, storage
from governed_ml.ledger.lifecycle import Lifecycle, Version
from governed_ml.lineage.pipeline_records import INSIDE, RecordedPipeline, read
from governed_ml.lineage.show import chosen, known, registered
from governed_ml.policy.decision import PATH
from governed_ml.policy.gate import recheck
from governed_ml.policy.judge import judge
from governed_ml.registry.audit import inspect
from governed_ml.registry.reconcile import compare
from governed_ml.registry.release import bundle
from governed_ml.registry.remeasure.recompute import folder_md5, is_locked, locked, require_same
from governed_ml.registry.versions import Registry, model_name

State = Literal["ok", "broken", "unknown", "end"]
TABLES = {  # link → its files
    "raw": (tables.RAW,),
    "split": (tables.TRAIN, tables.TEST, tables.SENSITIVE_TRAIN, tables.SENSITIVE_TEST),
    "predictions": (tables.PREDICTIONS,),
}


class Link(NamedTuple):
    """One link, and the result of its verification."""

    name: str
    state: State
    said: str


class Chain:
    """The records that the links are verified against."""

    def __init__(self, base: Path) -> None:
        """Read the records; raise `Problem` if there are none."""
        self.base = base
        self.lock = locked(base)
        self.pipeline: RecordedPipeline = read(base, model_name(base))
        self.params: Params = compose(base / CONF)
        self.checked = recheck(base, self.params, collect(base))

    def evidence(self, gate: str) -> AnyEvidence:
        """Return a gate's evidence; raise `Problem` if it is missing or unusable."""
        found, claimed = self.checked[gate], usable(collect(self.base)).get(gate)
        inputs = [] if claimed is None else claimed.subject.inputs
        for path in [*inputs, model_file.PATH.as_posix()]:
            if not path.startswith("reports/") and not (self.base / path).is_file():
                raise Problem(f"{path} is not here: run `uv run dvc pull`")
        return required(found, FOUND)


def verify(base: Path, name: str | None) -> Iterator[Link]:
    """Yield each link after its verification. `name` is the model that must be in the project."""
    chain = Chain(base)
    yield _link("source", lambda: _source(chain))
    yield _link("raw", lambda: _files(chain, "raw"))
    yield _link("split", lambda: _files(chain, "split"))
    yield _link("model", lambda: _model(chain))
    yield _link("predictions", lambda: _files(chain, "predictions"))
    yield _link("evidence", lambda: _evidence(chain))
    yield _link("decision", lambda: _decision(chain))
    yield from _released(chain, name)


def _link(name: str, look: Callable[[], str]) -> Link:
    try:
        return Link(name, "ok", look())
    except Problem as problem:
        return Link(name, "broken" if problem.exit_code == FOUND else "unknown", str(problem))


def _source(chain: Chain) -> str:
    body = required(collect(chain.base)["ingest"], FOUND).body
    source = chain.base / body.uri
    if body.source == "synthetic":
        return f"{body.uri}, made from its seed: `lineage reproduce` makes it again"
    if body.source != "file" or "://" in body.uri:
        return f"{body.uri} is not read again, so the chain starts at {tables.RAW.as_posix()}"
    if not is_here(source):
        raise Problem(
            f"{body.uri} is not here: run `uv run dvc pull`, or copy the file to this place"
        )
    _same(body.uri, str(body.sha256), source_digest(source))
    return _brief(body.uri, source_digest(source))


def _files(chain: Chain, link: str) -> str:
    """Compare tables with the digests in the lock and in every evidence that names them."""
    said: list[str] = []
    for path in TABLES[link]:
        name, file = path.as_posix(), chain.base / path
        if not file.is_file():
            raise Problem(f"{name} is not here: run `uv run dvc pull`")
        found = file_digest(file)
        for gate, one in usable(collect(chain.base)).items():
            recorded = one.subject.inputs.get(name)
            if recorded is not None:
                _same(f"{name}, as {gate} measured it,", recorded, found)
        said.append(_brief(name, found))
    for folder in INSIDE if link == "split" else ():
        _same(folder, chain.lock.get(folder, ""), folder_md5(chain.base / folder), "dvc.lock")
    if link != "split" and not is_locked(chain.base / TABLES[link][0], TABLES[link][0], chain.lock):
        raise Problem(f"{TABLES[link][0].as_posix()} does not match its digest in dvc.lock", 1)
    return ", ".join(said)


def _model(chain: Chain) -> str:
    file = chain.base / model_file.PATH
    if not file.is_file():
        raise Problem(f"{model_file.PATH.as_posix()} is not here: run `uv run dvc pull`")
    try:
        found = model_file.digest(file)
    except Problem as problem:
        raise Problem(str(problem), 1) from problem
    for gate, one in usable(collect(chain.base)).items():
        if one.subject.model is not None:
            _same(f"the model, as {gate} has it,", one.subject.model, found)
    if not is_locked(file, model_file.PATH, chain.lock):
        raise Problem(f"{model_file.PATH.as_posix()} does not match its digest in dvc.lock", 1)
    return _brief(model_file.PATH.as_posix(), found)


def _evidence(chain: Chain) -> str:
    """Check that each gate's evidence is in the lock, and about these files, code and settings."""
    for gate in chain.checked:
        chain.evidence(gate)
        if gate not in chain.pipeline.steps:
            raise Problem(f"dvc.lock does not say that {gate} read the files that are here", 1)
        missing = chain.pipeline.steps[gate].missing
        if missing is not None:
            raise Problem(missing, FOUND)
    return f"of {', '.join(chain.checked)}: about these files, this code and configuration"


def _decision(chain: Chain) -> str:
    """Check that judging the evidence again, on the decision's day, gives the same decision."""
    for gate in chain.checked:
        chain.evidence(gate)
    standing = chain.pipeline.decision
    if standing is None:
        raise Problem(f"{PATH.as_posix()} is missing: run `uv run dvc repro`", 1)
    try:
        day = date.fromisoformat(standing.volatile.get("judged_on") or "")
    except ValueError as error:
        raise Problem(
            f"{PATH.as_posix()} has no date of judgement (judged_on): run `uv run dvc repro`", 1
        ) from error
    again = judge(chain.params, chain.checked, day)
    _same("the policy's digest", str(standing.policy_digest), str(again.policy_digest))
    if standing.lasting() != again.lasting():
        raise Problem(
            f"{PATH.as_posix()} says {standing.verdict} ({standing.tally()}), but judged "
            f"again it is {again.verdict} ({again.tally()})",
            1,
        )
    return f"{again.verdict}, {again.tally()}, under policy {str(again.policy_digest)[7:19]}"


def _released(chain: Chain, name: str | None) -> Iterator[Link]:
    base = chain.base
    try:
        life = known(base)
    except Problem as problem:
        yield Link("ledger", "broken" if problem.exit_code == FOUND else "unknown", str(problem))
        return
    version = _version(chain, life, name)
    if isinstance(version, Link):
        yield version
        return
    store = (base / "mlflow.db").exists() or os.environ.get("MLFLOW_TRACKING_URI")
    if not store:
        yield Link("bundle", "unknown", "the registry is not here: set MLFLOW_TRACKING_URI")
    else:
        registry = Registry(model_name(base))
        yield _link("bundle", lambda: _bundle(chain, registry, version))
    yield _link("ledger", lambda: _ledger(base))
    if store:
        yield _link("alias", lambda: _alias(base, Registry(model_name(base)), life, version))


def _version(chain: Chain, life: Lifecycle, name: str | None) -> Version | Link:
    """Return the version of the model that is here, or the link at which the chain ends."""
    found = registered(life, chain.pipeline)
    wanted = chosen(life, name) if name else found
    if wanted is None:
        return Link(
            "registered",
            "end",
            "the model here is not registered, so the chain ends at the decision",
        )
    if found is None or wanted.subject["model"] != found.subject["model"]:
        go = f"`git checkout {wanted.subject['commit'][:12]}` and `uv run dvc checkout`"
        said = (
            f"version {wanted.number} is not checked out here: run {go}, or use `lineage reproduce`"
        )
        return Link("registered", "unknown", said)
    return wanted


def _bundle(chain: Chain, registry: Registry, version: Version) -> str:
    """Check that the registry's files are signed, recorded, and hold this model and evidence."""
    people = approvers.read(chain.base, last_protected(chain.base))
    with tempfile.TemporaryDirectory() as scratch:
        checked = bundle.fetch(registry, version, people, Path(scratch))
        sealed = checked.evidence()
    for gate, checked_here in chain.checked.items():
        its, mine = required(sealed[gate], FOUND), required(checked_here, FOUND)
        _same(f"the code of {gate}, as sealed,", its.subject.code, mine.subject.code)
        _same(f"the configuration of {gate}, as sealed,", its.subject.config, mine.subject.config)
        require_same(gate, its, mine)
    return f"version {version.number}: signed, with the same model, code and numbers"


def _ledger(base: Path) -> str:
    found = inspect(base)
    if found.problems or found.unchecked:
        raise Problem((found.problems or found.unchecked)[0], found.exit_code)
    anchored = "" if not found.anchored_to else f", anchored up to event {found.anchored_to}"
    return f"{counted(found.events, 'event')}{anchored}, head {str(storage.head(base))[:12]}"


def _alias(base: Path, registry: Registry, life: Lifecycle, version: Version) -> str:
    report = compare(base, registry)
    if report.differences:
        raise Problem(f"{report.differences[0]}; run `uv run governance reconcile`", 1)
    row = next(one for one in report.rows if one.version == version.number)
    state = version.state.replace("_", " ")
    where = "" if has_remote(base) else "; there is no remote to anchor the ledger to"
    return f"version {version.number} is {state}, alias {', '.join(row.aliases) or 'none'}{where}"


def _same(what: str, recorded: str, found: str, by: str = "the record") -> None:
    if recorded.removeprefix("sha256:") != found.removeprefix("sha256:"):
        raise Problem(f"{what} is {found[:19]} now, but {by} says {recorded[:19]}", 1)


def _brief(name: str, digest: str) -> str:
    return f"{name} {digest.removeprefix('sha256:')[:12]}"

"""The gate: judge the existing evidence without trusting DVC.

It composes `conf/` again, validates every evidence file, and computes the digests of all inputs,
code and configuration that the evidence names. It judges with today's date.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from governed_ml.core import model_file, repository, tables
from governed_ml.core.code import stage_code
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.dvc_files import declared
from governed_ml.core.config.params import Params, select
from governed_ml.core.config.source_files import is_here, source_digest
from governed_ml.core.evidence import AnyEvidence, Collected, collect, input_digest, usable
from governed_ml.core.files import COMPOSED, digest_of, root
from governed_ml.core.problem import Problem, Unusable
from governed_ml.policy.decision import PATH, Decision, DecisionSubject, RuleResult, save
from governed_ml.policy.judge import judge

GATES_NAMING_A_MODEL = ("train", "evaluate", "explain")
"""Gates whose evidence must name a model."""
TABLES_OF_GATE: dict[str, tuple[Path, ...]] = {
    "ingest": (tables.RAW,),
    "validate": (tables.RAW,),
    "split": (tables.RAW,),
    "train": (tables.TRAIN,),
    "evaluate": (tables.TRAIN, tables.TEST, tables.PREDICTIONS),
    "drift": (tables.TRAIN, tables.TEST, tables.PREDICTIONS),
    "fairness": (tables.RAW, tables.TRAIN, tables.SENSITIVE_TEST, tables.PREDICTIONS),
    "explain": (tables.TEST,),
}
"""Gate → tables that its evidence must name, among others."""
GATES_BY_FOLD = ("train", "evaluate", "drift", "fairness")
"""Gates whose evidence must name the table of folds, if there is cross-validation."""


class Elsewhere(NamedTuple):
    """Digests computed by another job, for jobs without the data."""

    evidence: Collected
    files: dict[str, str]
    model: str | Unusable
    recomputed: bool


def recheck(
    base: Path, params: Params, evidence: Collected, known: Elsewhere | None = None
) -> dict[str, AnyEvidence | Unusable]:
    """Compute again the digests that evidence names.

    Evidence with a wrong digest becomes unusable.
    """
    sections = stage_sections(base)
    values = params.model_dump(mode="json")
    cache: dict[str, str | Unusable] = {} if known is None else {**known.files}
    checked = dict(evidence)
    for gate, found in usable(evidence).items():
        why = _stale(base, found, sections, values, cache)
        if why is not None:
            checked[gate] = Unusable(f"evidence of {gate} {why}")
    return _one_model(model_here(base) if known is None else known.model, checked)


def stage_sections(base: Path) -> dict[str, list[str]]:
    """Return stage → the sections of the configuration that `dvc.yaml` declares for it."""
    return {
        name: [section for file in COMPOSED for section in stage.params.get(file, [])]
        for name, stage in declared(base).items()
    }


def _stale(
    base: Path,
    found: AnyEvidence,
    sections: dict[str, list[str]],
    values: dict[str, object],
    cache: dict[str, str | Unusable],
) -> str | None:
    """Return which digest in the evidence is wrong, or None; `cache` holds computed digests."""
    wanted = [path.as_posix() for path in TABLES_OF_GATE[found.gate]]
    champion = model_file.CHAMPION.as_posix()
    if found.gate == "evaluate" and (champion in cache or (base / champion).is_file()):
        wanted.append(champion)
    if found.gate in GATES_BY_FOLD and select(values, ("split",))["split"].get("folds"):
        wanted.append(tables.FOLDS.as_posix())
    lost = [path for path in wanted if path not in found.subject.inputs]
    if lost:
        return f"does not cover {lost[0]}; run `uv run dvc repro`"
    for path, digest in found.subject.inputs.items():
        if path not in cache:
            cache[path] = _digest(base, path)
        here = cache[path]
        if isinstance(here, Unusable):
            return f"is stale: {here}"
        if here != digest:
            return f"is stale: {path} has changed since it was measured; run `uv run dvc repro`"
    if _source_changed(base, found):
        return f"is stale: {found.body.uri} has changed; run `uv run dvc repro --force ingest`"
    if found.subject.code != stage_code.digest(found.gate, base):
        return "is stale: its code has changed; run `uv run dvc repro`"
    if found.subject.config != digest_of(select(values, sections.get(found.gate, []))):
        return "is stale: conf/ has changed; run `uv run dvc repro`"
    return None


def _digest(base: Path, path: str) -> str | Unusable:
    try:
        return input_digest(Path(path), base)
    except Problem as problem:
        return Unusable(str(problem))


def _source_changed(base: Path, found: AnyEvidence) -> bool:
    if found.gate != "ingest" or found.body.source != "file" or found.body.sha256 is None:
        return False
    source = base / found.body.uri
    return (
        is_here(source)
        and source_digest(source) != f"sha256:{found.body.sha256.removeprefix('sha256:')}"
    )


def model_here(base: Path) -> str | Unusable:
    """Return the digest of the model on disk, or why there is none."""
    try:
        return model_file.digest(base / model_file.PATH)
    except Problem as problem:
        return Unusable(str(problem))


def _one_model(actual: str | Unusable, evidence: Collected) -> dict[str, AnyEvidence | Unusable]:
    """Make evidence unusable that is about another model than the one with this digest."""
    about = dict(evidence)
    for gate, found in usable(evidence).items():
        if found.subject.model != actual and (found.subject.model or gate in GATES_NAMING_A_MODEL):
            about[gate] = Unusable(
                f"evidence of {gate} is about another model ({found.subject.model}, "
                f"on disk {actual}): run `uv run dvc repro`"
            )
    return _same_predictions(about)


def _same_predictions(evidence: Collected) -> dict[str, AnyEvidence | Unusable]:
    """Make evidence unusable that used predictions, unless usable evidence says who made them."""
    about, why, path = dict(evidence), evidence["evaluate"], tables.PREDICTIONS.as_posix()
    if isinstance(why, Unusable):
        for gate, found in usable(evidence).items():
            if path in found.subject.inputs:
                about[gate] = Unusable(f"evidence of {gate} rests on {path}, but {why}")
    return about


def gate(
    base: Path, today: date, names: list[str] | None = None, known: Elsewhere | None = None
) -> Decision:
    """Judge without DVC. With names, judge only the rules of these gates, and write nothing."""
    params = compose(base / CONF)
    if names:
        gates = sorted({rule.id.split(".")[0] for rule in params.policy.rules})
        unknown = [name for name in names if name not in gates]
        if unknown:
            raise Problem(
                f"the policy has no gate {unknown[0]!r}: its gates are {', '.join(gates)}"
            )
    evidence = collect(base) if known is None else known.evidence
    decision = judge(params, recheck(base, params, evidence, known), today, names)
    if known is not None:
        volatile = decision.volatile | {"recomputed": str(known.recomputed).lower()}
        decision = decision.model_copy(update={"volatile": volatile})
        if not known.recomputed and not params.policy.accept_committed:
            decision = _unmeasured(decision)
    if not names and not stays(base, known):
        save(decision, base)
    return decision


def stays(base: Path, known: Elsewhere | None) -> bool:
    """Return whether to keep the decision on disk, because nothing was measured or changed.

    In a clean clone without tables and model, the gate denies only because they are missing. That
    says nothing about the commit, and `check lineage` compares its decision with its evidence. If
    another job supplied digests (`known`), the decision is always written.
    """
    if known is not None:
        return False
    tables_here = (path for paths in TABLES_OF_GATE.values() for path in paths)
    if any((base / path).exists() for path in (*tables_here, model_file.PATH)):
        return False
    try:
        if repository.uncommitted(base):
            return False
        committed = repository.content(base, repository.head(base), PATH.as_posix())
        return committed is not None and (base / PATH).read_bytes() == committed
    except (Problem, OSError):
        return False  # without git, a commit or a decision, the deny is written


def _unmeasured(decision: Decision) -> Decision:
    """Deny a model whose evidence was only committed, because its author may have made it up."""
    rule = _stopped(
        "gate.recomputed",
        "nothing was measured in this run, and only committed evidence was judged: ask somebody "
        "who may read the data to push the branch to this repository, or ask the risk owner to "
        "set forks.accept_committed in conf/policy/",
    )
    return decision.model_copy(update={"verdict": "deny", "rules": [rule, *decision.rules]})


def _stopped(name: str, reason: str) -> RuleResult:
    return RuleResult(
        id=name, verdict="insufficient", value=None, interval=None, limit=None, reason=reason
    )


def refuse(reason: str) -> None:
    """Write a deny with a reason, for cases in which judging itself failed."""
    try:
        base = root()
    except Problem:
        base = Path.cwd()
        if not (base / PATH).is_file():
            return  # not in a project, so there is no decision
    rules = [_stopped("gate.judged", reason)]
    save(Decision(verdict="deny", rules=rules, subject=DecisionSubject(), policy_digest=None), base)

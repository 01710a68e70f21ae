"""Check that `dvc.yaml`, `dvc.lock`, `params.yaml`, code, tables and evidence agree.

The committed files must be what the pipeline makes from its inputs. This also works without the
data: then the digests in the lock and in the evidence must form a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from governed_ml.checks.finding import CheckFinding, tracked
from governed_ml.checks.lineage import environment, sources
from governed_ml.checks.lineage.config_differences import Members, differences
from governed_ml.checks.lineage.locked import Here, lock, pipeline
from governed_ml.checks.lineage.project_state import ProjectState
from governed_ml.core import model_file
from governed_ml.core.code import stage_code
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.dvc_files import LOCK, PIPELINE, Pipeline
from governed_ml.core.config.params import select
from governed_ml.core.evidence import FOLDER, collect, path_of, usable
from governed_ml.core.files import COMPOSED, read_json
from governed_ml.core.problem import FOUND, Problem, Unusable, first_line
from governed_ml.policy import decision
from governed_ml.policy.gate import Elsewhere, recheck
from governed_ml.policy.judge import judge
from governed_ml.registry.remeasure.committed_evidence import require_plain
from governed_ml.registry.remeasure.ignored_dvc_files import REASON, unseen

CODE = "code.json"
DECISION = decision.PATH.as_posix()
EVIDENCE = f"{FOLDER.as_posix()}/"
FIX = "run `uv run dvc repro` and commit what it writes"


def check(base: Path, names: list[str]) -> list[CheckFinding]:
    """Find everything in the project that does not agree; a project that has not run yet passes.

    A cause is reported before its consequences: evidence is hashed and the decision judged again
    only if nothing else is wrong.
    """
    asked = pipeline(base)
    known = set(tracked(base))
    plain = list(_plain(base, asked))
    plain += [CheckFinding(name, REASON, fix) for name, fix in unseen(base, known).items()]
    ran = lock(base)
    if ran is None:
        made = [one for one in _outputs(asked) if (base / one).is_file()]
        made = [one for one in made if one in known or one.startswith(EVIDENCE)]
        return plain + [CheckFinding(path, f"it exists, but {LOCK} does not", FIX) for path in made]
    state = ProjectState(base, asked, ran, compose(base / CONF), collect(base), Here(base), known)
    causes = [*sources.changed(state), *_code(state), *_conf(state)]
    found = [*plain, *_shape(state), *_chain(state), *_since(causes), *sources.pointers(state)]
    found += [*_written(state), *environment.check(base, state.evidence)]
    return list(dict.fromkeys(found or list(_stale(state)) or list(_decided(state))))


def _outputs(asked: Pipeline) -> list[str]:
    """Return the outputs of stages that are kept in git."""
    stages = asked.stages.values()
    return [path for stage in stages for path, cached in stage.outs.items() if not cached]


def _plain(base: Path, asked: Pipeline) -> Iterator[CheckFinding]:
    """Report stages that are frozen or do not run their own module."""
    for name, stage in asked.stages.items():
        if stage.frozen:
            yield CheckFinding(
                PIPELINE, f"stage {name} is frozen, so it never runs", "remove `frozen`"
            )
    try:
        require_plain(base)
    except Problem as problem:
        if problem.exit_code != FOUND:
            raise
        if "is frozen" not in str(problem):
            yield CheckFinding(PIPELINE, str(problem), "restore it with git")


def _shape(state: ProjectState) -> Iterator[CheckFinding]:
    """Compare the stages in `dvc.yaml` with those recorded in `dvc.lock`."""
    for name in state.asked.stages.keys() - state.lock.stages.keys():
        yield CheckFinding(LOCK, f"stage {name} never ran", FIX)
    for name in state.lock.stages.keys() - state.asked.stages.keys():
        yield CheckFinding(LOCK, f"stage {name} is not in {PIPELINE}", FIX)
    for name in state.stages:
        asked, ran = state.asked.stages[name], state.lock.stages[name]
        pairs: dict[str, tuple[set[str], set[str]]] = {
            "dependencies": (set(asked.deps), {one.path for one in ran.deps}),
            "outputs": (set(asked.outs), {one.path for one in ran.outs}),
            "parameters": (
                {f"{file}:{key}" for file, keys in asked.params.items() for key in keys},
                {f"{file}:{key}" for file, keys in ran.params.items() for key in keys},
            ),
        }
        for what, (now, then) in pairs.items():
            if now != then:
                which = ", ".join(sorted(now ^ then)[:3])
                yield CheckFinding(PIPELINE, f"stage {name} ran with other {what} ({which})", FIX)
        if asked.cmd != ran.cmd:
            yield CheckFinding(
                LOCK, f"stage {name} ran {str(ran.cmd)[:60]!r}; its cmd has changed since", FIX
            )


def _chain(state: ProjectState) -> Iterator[CheckFinding]:
    """Compare each dependency with the output it comes from, and each evidence digest with both."""
    writers = state.lock.writers()
    for name, ran in state.lock.stages.items():
        for dep in ran.deps:
            writer, md5 = writers.get(dep.path, ("", dep.md5))
            if md5 != dep.md5:
                yield CheckFinding(
                    LOCK,
                    f"stage {name} read {dep.path} with other content than {writer} wrote",
                    FIX,
                )
        found = usable(state.evidence).get(name)
        touched = [one.path for one in (*ran.deps, *ran.outs)]
        for path in [] if found is None else found.subject.inputs:
            if not any(path == one or path.startswith(f"{one}/") for one in touched):
                what = f"it is about {path}, which stage {name} neither reads nor writes"
                yield CheckFinding(path_of(name).as_posix(), what, f"fix {PIPELINE}, then {FIX}")


def _code(state: ProjectState) -> Iterator[tuple[str, str, str]]:
    """Yield the modules that changed since a stage ran."""
    composed = read_json(state.base / CODE) if (state.base / CODE).is_file() else {}
    if not isinstance(composed, dict):
        raise Problem(f"{CODE} is no list of digests: run `uv run dvc repro`", 1)
    for stage in stage_code.runnable():
        if stage not in state.stages:
            continue
        found, now = usable(state.evidence).get(stage), stage_code.digest(stage, state.base)
        said = {state.lock.stages[stage].params.get(CODE, {}).get(stage), composed.get(stage)}
        said |= set() if found is None else {found.subject.code}
        if said - {None, now}:
            own = stage_code.named(stage, state.base)
            for name in sorted(own.keys() & state.edited) or [_behind(own)]:
                yield name, "it changed", stage


def _behind(own: dict[str, Path]) -> str:
    """Return what to report if no edited file explains a changed digest."""
    teams = [name for name in own if name.startswith("src/")]
    return teams[-1] if teams else "the engine"


def _conf(state: ProjectState) -> Iterator[tuple[str, str, str]]:
    """Yield the configuration values that changed since a stage ran."""
    values, members = state.params.model_dump(mode="json"), Members(state.base)
    for stage in state.stages:
        asked, ran = state.asked.stages[stage].params, state.lock.stages[stage].params
        now = select(values, [key for file in COMPOSED for key in asked.get(file, [])])
        then = {key: value for file in COMPOSED for key, value in ran.get(file, {}).items()}
        for key in now.keys() & then.keys():
            for name, what in differences(then[key], now[key], key):
                yield members.file(name), f"{name} {what}", stage


def _since(causes: Iterable[tuple[str, str, str]]) -> Iterator[CheckFinding]:
    """Combine the stages that are affected by the same change into one finding."""
    stages: dict[tuple[str, str], list[str]] = {}
    for file, what, stage in causes:
        stages.setdefault((file, what), []).append(stage)
    for (file, what), ran in stages.items():
        yield CheckFinding(file, f"{what} since {', '.join(dict.fromkeys(ran))} ran", FIX)


def _written(state: ProjectState) -> Iterator[CheckFinding]:
    """Compare the outputs of stages with the files here; outputs kept in git must exist."""
    for name in state.stages:
        for out in state.lock.stages[name].outs:
            if out.path == DECISION:
                continue  # `governance gate` also writes this file, so it is judged again instead
            md5, path = state.here.md5(out.path), out.path
            cached = state.asked.stages[name].outs.get(path, True)
            if md5 is None and not cached:
                yield CheckFinding(path, f"it is missing, but {name} wrote it", FIX)
            elif md5 not in (None, out.md5):
                fix = f"run `uv run dvc checkout {path}`, or {FIX[4:]}" if cached else FIX
                yield CheckFinding(path, f"it is not what {name} wrote", fix)
            elif not cached and LOCK in state.tracked and not state.has(path):
                yield CheckFinding(
                    path, f"it is not in git, but {LOCK} is", f"run `git add {path}`"
                )


def _stale(state: ProjectState) -> Iterator[CheckFinding]:
    """Hash the files that evidence is about; if a file is absent, rely on the recorded digests."""
    files = {
        path: state.here.digests(path)[1] if (state.base / path).is_file() else digest
        for path, digest in state.inputs().items()
    }
    told = [one.subject.model for one in usable(state.evidence).values()]
    model = next((one for one in told if one), Unusable("none"))
    if (state.base / model_file.PATH).is_file():
        model = model_file.digest(state.base / model_file.PATH)
    elsewhere = Elsewhere(state.evidence, files, model, recomputed=False)
    for gate, found in recheck(state.base, state.params, state.evidence, elsewhere).items():
        if isinstance(found, Unusable):
            reason, _, fix = found.reason.partition("; run ")
            fix = f"run {fix} and commit what it writes" if fix else FIX
            yield CheckFinding(path_of(gate).as_posix(), reason, fix)


def _decided(state: ProjectState) -> Iterator[CheckFinding]:
    """Judge the evidence again, on the day of the decision, and compare."""
    try:
        standing = decision.Decision.model_validate(read_json(state.base / DECISION))
        day = date.fromisoformat(str(standing.volatile.get("judged_on")))
    except (Problem, ValidationError, ValueError) as error:
        yield CheckFinding(DECISION, f"it is not a decision: {first_line(error, 120)}", FIX)
        return
    again = judge(state.params, state.evidence, day)
    old, new = (one.model_dump(mode="json", exclude={"volatile"}) for one in (standing, again))
    for name, what in differences(old, new):
        reason = f"it is not what the policy makes of the evidence: {name} {what}"
        yield CheckFinding(
            DECISION, reason, "run `uv run governance gate` and commit what it writes"
        )
        return

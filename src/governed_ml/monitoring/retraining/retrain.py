"""Run the pipeline on new data, and compare the model with the champion; register nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from governed_ml.core import model_file, tables
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.evidence import Collected, collect, load, path_of
from governed_ml.core.files import COMPOSED, read_json, write_bytes, write_json
from governed_ml.core.problem import Problem
from governed_ml.core.repository import extract, head, patch, require_clean
from governed_ml.core.work_folder import work_folder
from governed_ml.monitoring.retraining.challenge import Challenge, compared
from governed_ml.policy.decision import PATH as DECISION
from governed_ml.policy.gate import recheck
from governed_ml.policy.judge import judge
from governed_ml.registry.append_event import Situation, situation
from governed_ml.registry.register import require_in_remote
from governed_ml.registry.release import bundle
from governed_ml.registry.remeasure.committed_evidence import require_plain
from governed_ml.registry.remeasure.fetch import dvc, fetch, take_away
from governed_ml.registry.remeasure.recompute import run_stage, surroundings
from governed_ml.registry.versions import Registry

PATCH, CHALLENGE = "retrain.patch", "challenge.json"
MADE = (
    *(*COMPOSED, "code.json", "dvc.lock"),
    *("reports", "data/split", "data/sensitive", model_file.FOLDS.as_posix()),
    *(tables.RAW, tables.VALIDATED, tables.PREDICTIONS, model_file.PATH),
)
Say = Callable[[str], None]


def retrain(base: Path, registry: Registry, output: Path, say: Say) -> Challenge:
    """Run the pipeline on the source's current data, compare, and push to DVC's remote.

    The results are two files in `output`: a patch and the comparison. Raise `Problem` if the source
    has no new data, because the pipeline would give the same model.
    """
    require_clean(base)
    seen = situation(base, registry)
    before = _table(base) if (base / path_of("split")).is_file() else ""
    _line(base, say)
    after = _table(base)
    if after == before:
        raise Problem(
            f"the source still gives the same table as the commit ({before[:18]}): add new "
            "rows to the source, or register the current model",
            1,
        )
    found = _compared(base, registry, seen, {"commit": before, "challenger": after}, say)
    say("pushing data and model to DVC's remote")
    if lost := dvc(base, "push", "--quiet"):
        raise Problem(f"DVC's remote refused data and model, so nothing is proposed: {lost}")
    require_in_remote(base)
    write_bytes(output / PATCH, patch(base))
    write_json(output / CHALLENGE, found.model_dump(mode="json"))
    return found


def _table(base: Path) -> str:
    """Return the digest of the table that was measured."""
    return load("split", base).subject.inputs[tables.RAW.as_posix()]


def _line(base: Path, say: Say) -> None:
    """Run the engine's stages, without access to this command's stores and tokens.

    Stages call the team's code. Removing these variables prevents accidents, but it is no sandbox:
    the code runs as the same user and can read that user's files.
    """
    require_plain(base)
    start, env = fetch(base, fork=False), surroundings()
    take_away(base, start)
    for stages in (("compose",), start.stages):
        say(f"running {stages[0]}{' and what follows' if stages[1:] else ''}")
        command = [sys.executable, "-P", "-m", "dvc", "repro", "--force", "--single-item", *stages]
        if subprocess.run(command, cwd=base, env=env, stdout=sys.stderr, check=False).returncode:
            raise Problem(f"the pipeline stopped: {_why(base)}", 1)


def _why(base: Path) -> str:
    """Return why a stage stopped, from the decision that it left."""
    try:
        rule = read_json(base / DECISION)["rules"][0]
        if rule["id"].endswith(".stopped"):
            return f"{rule['id'].removesuffix('.stopped')}: {rule['reason']}"
    except (Problem, KeyError, IndexError, TypeError, AttributeError):
        pass
    return "look at what DVC said"


def _compared(
    base: Path, registry: Registry, seen: Situation, data: dict[str, str], say: Say
) -> Challenge:
    """Judge the new model against the champion on the same test rows, in a copy of the project.

    A copy is used because the proposed commit must not contain the champion.
    """
    champion, day = seen.life.champion, datetime.now(UTC).date()
    sealed: Collected = {}
    why = None
    with work_folder() as work:
        scratch = work / "copy"
        scratch.mkdir()
        extract(base, head(base), scratch)
        for made in MADE:
            if (base / made).is_dir():
                shutil.copytree(base / made, scratch / made, dirs_exist_ok=True)
            else:
                (scratch / made).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(base / made, scratch / made)
        if champion is not None:
            say(f"comparing with version {champion.number}")
            try:
                checked = bundle.fetch(registry, champion, seen.now.approvers, work / "was")
                sealed = checked.evidence()
                shutil.copyfile(checked.model, scratch / model_file.CHAMPION)
                run_stage(scratch, "evaluate")
            except Problem as problem:
                why = f"not compared with the champion: {problem}"
        params = compose(scratch / CONF)
        own = collect(scratch)
        decision = judge(params, recheck(scratch, params, own), day, unread=why)
    model = {"challenger": decision.subject.model or "none"}
    if champion is not None:
        data = {"champion": champion.subject["data"], **data}
        model = {"champion": champion.subject["model"], **model}
    return compared(
        decision,
        own,
        sealed,
        champion=None if champion is None else champion.number,
        why_no_champion=why or "",
        data={whose: digest for whose, digest in data.items() if digest},
        model=model,
    )

"""The frame around every stage: delete old results, save evidence, report failures in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from governed_ml.core import crash_report, evidence, files
from governed_ml.core.code import engine, stage_code
from governed_ml.core.config.params import Params, read_raw, select
from governed_ml.core.evidence import (
    AnyEvidence,
    EngineRef,
    Finding,
    Metric,
    Subject,
    Timing,
    Volatile,
)
from governed_ml.core.evidence_bodies import Body
from governed_ml.core.files import PAGE, digest_of, write_json
from governed_ml.core.problem import NO_ANSWER, Problem, cause, first_line
from governed_ml.core.process_settings import quiet
from governed_ml.core.terminal import PROGRESS

_started = time.perf_counter()


def run(stage: str) -> None:
    """Run `pipeline.stages.<stage>`, and print its result or its error in one line.

    A stage that starts deletes the decision, which is about an earlier state (`compose` only if the
    configuration changes). A stage that fails, also during import, leaves a deny with the reason.
    `decide` writes the new decision.
    """
    quiet()
    code, said = 0, ""
    try:
        if stage != "compose":
            files.withdraw_decision()
        main: Callable[[], str] = import_module(f"governed_ml.pipeline.stages.{stage}").main
        with PROGRESS.shown(stage):
            result = main()
        said = f"{stage}: {result} ({time.perf_counter() - _started:.1f} s)"
    except Problem as problem:
        crash_report.show(problem)
        log = crash_report.logged(problem, stage) if problem.trace else ""
        code = _stopped(stage, str(problem), problem.exit_code, log, problem.lines)
    except (KeyboardInterrupt, SystemExit):
        code = _stopped(stage, "interrupted", 2)
    except Exception as error:  # noqa: BLE001 - a person gets one line, never a traceback
        if crash_report.is_interrupt(error):
            code = _stopped(stage, "interrupted", NO_ANSWER)
        else:
            crash_report.show(error)
            line, log = crash_report.one_line(error), crash_report.logged(error, stage)
            code = _stopped(stage, line, NO_ANSWER, log)
    if said:
        tell(stage, lambda: print(said))
    sys.stderr.flush()
    os._exit(code)  # everything is flushed; a normal exit takes a second with heavy libraries


def tell(stage: str, show: Callable[[], object]) -> None:
    """Print a stage's result. An error while printing (a full disk) does not fail the stage."""
    try:
        show()
        sys.stdout.flush()
    except OSError as error:
        print(f"{stage}: cannot write to standard output: {cause(error)}", file=sys.stderr)


def draw(stage: str, params: Params | None = None) -> str | None:
    """Draw the page about the current decision; return why if that is impossible.

    The page module is imported by name, so that a change of the page does not make stages run
    again, and an error in it does not hide a decision.
    """
    try:
        files.withdraw(PAGE)
        import_module("governed_ml.page.draw").draw(Path(), stage, params=params)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the decision has to be told
        why = str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        return f"the page was not drawn: {first_line(ValueError(why))}"
    return None


def _stopped(
    stage: str, message: str, code: int, log: str = "", lines: tuple[str, ...] = ()
) -> int:
    """Leave a deny with the reason; `log` (where the traceback is) is only printed.

    `lines` is the message for a terminal, if it is about several columns.
    """
    shown = "\n  ".join(lines) or message
    print(f"{stage}: {shown}{log}", end="", file=sys.stderr, flush=True)
    rule = {
        "id": f"{stage}.stopped",
        "verdict": "fail",
        "value": None,
        "interval": None,
        "limit": None,
        "reason": message,
    }
    decision = {
        "schema_version": 1,
        "verdict": "deny",
        "rules": [rule],
        "subject": {},
        "policy_digest": None,
        "volatile": {},
    }
    lost = None
    try:
        write_json(files.DECISION, decision)
    except Problem as problem:
        lost = str(problem)
    more = [text for text in (lost, draw(stage)) if text]
    print("".join(f"; {text}" for text in more), file=sys.stderr, flush=True)
    return code


def record(
    stage: str,
    sections: tuple[str, ...],
    inputs: list[Path],
    body: Body,
    metrics: dict[str, Metric],
    *,
    findings: list[Finding] | None = None,
    tools: tuple[str, ...] = (),
    model: str | None = None,
    notes: dict[str, Any] | None = None,
    timings: dict[Timing, Metric] | None = None,
) -> None:
    """Write a stage's evidence with the digests of its inputs, code and configuration."""
    subject = Subject(
        inputs={path.as_posix(): evidence.input_digest(path) for path in inputs},
        code=stage_code.digest(stage),
        config=digest_of(select(read_raw(), sections)),
        model=model,
        engine=EngineRef(**engine.identity().stated()),
    )
    commit, dirty = _commit()
    volatile = Volatile(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - _started, 3),
        commit=commit,
        dirty=dirty,
        notes=notes or {},
        timings=timings or {},
    )
    written: AnyEvidence = evidence.model_of(stage)(
        gate=stage,
        subject=subject,
        tools={name: version(name) for name in tools},
        metrics=metrics,
        findings=findings or [],
        body=body,
        volatile=volatile,
    )
    evidence.save(written)


def _commit() -> tuple[str | None, bool | None]:
    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], capture_output=True, check=False)
        except OSError:
            return None
        return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None

    commit, status = git("rev-parse", "HEAD"), git("status", "--porcelain", "-uno")
    return commit, None if status is None else bool(status)

"""Plant faults one by one in a scratch copy, and judge the output of the commands."""

from __future__ import annotations

import difflib
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from governed_ml.core.problem import Problem
from governed_ml.core.terminal import say
from governed_ml.drill.clone import fingerprint, require_same
from governed_ml.drill.fault import Fault, FaultOutcome, Nothing, Tally, judged
from governed_ml.drill.faults import (
    config,
    data,
    engine,
    environment,
    evidence,
    files,
    ledger,
    lineage,
    people,
    production,
    serving,
    tables,
    workflows,
)
from governed_ml.drill.scratch import Scratch
from governed_ml.drill.starting_states import enter, judge

FILES = (
    *(files, tables, workflows, people, config),
    *(lineage, environment, engine),
)
FAULTS = {
    fault.name: fault
    for module in (data, evidence, *FILES, ledger, production, serving)
    for fault in module.FAULTS
}


def chosen(names: list[str]) -> list[Fault]:
    """Return the faults with these names, or all, in the order in which they are planted."""
    for name in names:
        if name not in FAULTS:
            near = difflib.get_close_matches(name, FAULTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FAULTS)}"
            raise Problem(f"no fault {name!r}: {hint}")
    return [fault for name, fault in FAULTS.items() if not names or name in names]


def run(base: Path, faults: list[Fault]) -> Tally:
    """Plant faults; raise `Problem` if the real repository changed meanwhile.

    Faults that need a registered model run in parallel, in a second copy, because registration is
    slow.
    """
    before = fingerprint(base)
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        say(f"copying {base.name} to {home}")
        scratch = Scratch(base, home / "measured", say)
        enter(scratch, "measured")
        judge(scratch)
        lanes = [
            [one for one in faults if (one.state == "measured") is measured]
            for measured in (False, True)
        ]
        copies = [scratch.fork(home / "registered") if lanes[0] else scratch, scratch]
        with ThreadPoolExecutor(len(lanes)) as pool:
            done = [one for lane in pool.map(_lane, copies, lanes) for one in lane]
        require_same(before, fingerprint(base))
    order = list(FAULTS)
    return Tally(sorted(done, key=lambda one: order.index(one.fault)), scratch.notes)


def _lane(scratch: Scratch, faults: list[Fault]) -> list[FaultOutcome]:
    done: list[FaultOutcome] = []
    for fault in faults:
        outcome = spring(scratch, fault)
        scratch.say(f"{fault.name}: {outcome.state} ({outcome.seconds:.0f} s)")
        done.append(outcome)
    return done


def spring(scratch: Scratch, fault: Fault) -> FaultOutcome:
    """Plant one fault in its starting state, run its command, and judge the result."""
    told: dict[str, Any] = {"fault": fault.name, "about": fault.about, "traps": fault.traps}
    try:
        enter(scratch, fault.state)
        clean = scratch.clean(fault.state, fault.command)
        scratch.restore(fault.state)
        started = time.perf_counter()
        sign = fault.spring(scratch)
    except Nothing as problem:
        return FaultOutcome(**told, state="not applicable", reason=str(problem))
    except Problem as problem:
        return FaultOutcome(**told, state="not planted", reason=str(problem))
    caught, reason = judged(sign, clean, scratch.run(*fault.command))
    return FaultOutcome(
        **told,
        state="caught" if caught else "got through",
        by=fault.by,
        reason=reason,
        seconds=round(time.perf_counter() - started, 1),
    )

"""Refuse to judge if something replaces the engine or a library, or changed an installed file.

What is checked (times were measured on two busy cores, with files in the cache):

- always: environment variables, folders in `sys.path`, start-up hooks (0.1 s);
- `judging`: the files of the engine and of the 20 distributions that it judges with, by RECORD
  (0.05 s), and the bytecode of modules that are loaded or that a gate loads later (0.05 s);
- `computing`: also the 45 distributions that compute evidence and predictions, from numpy to shap
  (0.9 s);
- `measuring`: also all bytecode of these, in commands that measure, such as `register`.

The first comparison of bytecode takes ten times as long, because the source has to be compiled.

Distributions that only draw, store or serve (plotly, matplotlib, MLflow) are not checked. They
would take another 1.1 s, and no number in the evidence comes from them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Literal

from governed_ml.core.code import engine
from governed_ml.core.installation import bytecode, records, replaced_libraries
from governed_ml.core.installation.distributions import computing, judging
from governed_ml.core.installation.replaced_libraries import StandIn
from governed_ml.core.problem import FOUND, Problem

Depth = Literal["judging", "computing", "measuring"]
READ_LATER = ("hydra-core", "omegaconf", "antlr4-python3-runtime", "pyyaml")
"""Distributions that a gate imports only after this check."""
SYNC = "rebuild the environment with `uv sync --reinstall --no-cache`"


def require(depth: Depth, *, pinned: bool = False, exit_code: int = FOUND) -> None:
    """Raise `Problem` about the first thing that replaces the engine or a library.

    With `pinned`, the lock file must also pin the engine to a commit, a release or an archive.
    """
    first = next(found(depth), None)
    if first is not None:
        raise Problem(f"{first.where} {first.reason}: {first.fix}", exit_code)
    who = engine.identity()
    if pinned and not who.pinned:
        raise Problem(
            f"the engine runs from {who.address}, a folder that may change at any time: pin a "
            "commit or a release under [tool.uv.sources] in pyproject.toml, and run `uv sync`",
            exit_code,
        )


def note_folder() -> None:
    """Warn if the engine runs from a folder: `register` accepts nothing that it measures."""
    who = engine.identity()
    if not who.pinned:
        print(
            f"note: the engine runs from {who.address}, a folder that may change at any time, "
            "so this project cannot register or promote a model",
            file=sys.stderr,
        )


def found(depth: Depth) -> Iterator[StandIn]:
    """Yield everything that replaces the engine or a library, in order of increasing cost."""
    yield from replaced_libraries.variables(os.environ)
    yield from replaced_libraries.running()
    yield from replaced_libraries.hooks()
    some = judging() if depth == "judging" else computing()
    for path, reason in (*records.differing(some), *records.added(some)):
        yield StandIn(replaced_libraries.shown(path), reason, SYNC)
    sources = {path for one in some for path, _ in one.record() if path.endswith(".py")}
    sources |= {str(path) for path in engine.files() if path.suffix == ".py"}
    later = {path for one in some if one.name in READ_LATER for path, _ in one.record()}
    chosen = sources if depth == "measuring" else sources & (_loaded() | later)
    tests = f"{os.sep}tests{os.sep}"  # libraries do not import their own tests
    for path, reason in bytecode.forged(sorted(path for path in chosen if tests not in path)):
        yield StandIn(replaced_libraries.shown(path), reason, SYNC)


def _loaded() -> set[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in files if file}

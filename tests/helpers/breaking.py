"""Spring faults of `governance check` in one copy, and break the check there, one part at a time.

Run in a project's environment: `breaking.py PACKAGE FILE`, with fault → [(file, code, code
instead), …] as JSON in the file. Prints [fault, which edit (-1: none), caught, reason, seconds] as
JSON, a line each. The check looks only at the files that the fault has touched.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

Edits = dict[str, list[list[str]]]
MENDED = "docs/drill"  # what `hygiene` has mended is spoilt again


def commit(scratch: Any) -> str:
    """The commit of a copy."""
    return scratch.start(["git", "rev-parse", "HEAD"]).out.strip()


def named(scratch: Any, since: str) -> list[str]:
    """The files that a fault has planted or changed: the check looks at these alone."""
    found = scratch.start(["git", "diff", "--name-only", "-z", since, "--"]).out.split("\0")
    return [one for one in found if one and (scratch.project / one).is_file()]


def main(package: str, wanted: Edits) -> None:
    """Spring each fault once, and look at it with the check whole and broken."""
    drill: Any = import_module(f"{package}.drill.run")
    judged: Any = import_module(f"{package}.drill.fault").judged
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scratch = drill.Scratch(Path.cwd(), Path(folder).resolve() / "measured", lambda _: None)
        drill.enter(scratch, "measured")
        clean: dict[str, Any] = {}
        for name, edits in wanted.items():
            fault = drill.FAULTS[name]
            command = [sys.executable, "-m", f"{package}.checks", *fault.command[1:]]
            scratch.restore("measured")
            if fault.command[1] not in clean:
                clean[fault.command[1]] = scratch.start(command)
                scratch.restore("measured")
            start = commit(scratch)
            sign = fault.spring(scratch)
            command += named(scratch, start) or ["params.yaml"]
            planted = [one for one in (scratch.project / MENDED).glob("*") if one.is_file()]
            kept = {one: one.read_bytes() for one in planted}
            for number, (file, old, new) in enumerate([["cli.py", "", ""], *edits], -1):
                for path, content in kept.items():
                    path.write_bytes(content)
                module = scratch.project / "src" / package / file
                whole = module.read_text(encoding="utf-8")
                module.write_text(whole.replace(old, new) if old else whole, encoding="utf-8")
                started = time.perf_counter()
                said = scratch.start(command)
                seconds = round(time.perf_counter() - started, 2)
                module.write_text(whole, encoding="utf-8")
                caught, reason = judged(sign, clean[fault.command[1]], said)
                print(json.dumps([name, number, caught, reason, seconds]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))

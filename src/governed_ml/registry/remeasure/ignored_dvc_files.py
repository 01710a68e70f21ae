"""Find `*.dvc` files that DVC cannot see because git ignores them or their folder.

DVC does not push the data of such a file, and `dvc checkout` deletes the data as unused.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt

REASON = "DVC does not see it, so `dvc push` skips the data and `dvc checkout` deletes them"


def unseen(base: Path, names: Iterable[str]) -> dict[str, str]:
    """Return, for each `*.dvc` file that git ignores or whose folder it ignores, how to fix it."""
    places = {name: [*_folders(name), name] for name in names if name.endswith(".dvc")}
    ignored = _ignored(base, {one for many in places.values() for one in many})
    return {
        name: ignored[place]
        for name, many in sorted(places.items())
        if (place := next((one for one in many if one in ignored), None))
    }


def _folders(name: str) -> list[str]:
    above = [one.as_posix() for one in PurePosixPath(name).parents]
    return [f"{one}/" for one in reversed(above) if one != "."]


def _ignored(base: Path, places: set[str]) -> dict[str, str]:
    """Return ignored path → how to fix it."""
    if not places:
        return {}
    asked = "".join(f"{one}\0" for one in sorted(places)).encode()
    words = ("check-ignore", "--verbose", "--no-index", "-z", "--stdin")
    done = attempt(base, *words, stdin=asked)
    if done.returncode > 1:
        reason = first_line(ValueError(done.stderr.decode(errors="replace")), 160)
        raise Problem(f"git cannot list the *.dvc files that it ignores: {reason}")
    said = done.stdout.decode(errors="replace").split("\0")
    return {
        place: _fix(file, line, pattern)
        for file, line, pattern, place in zip(*[iter(said[:-1])] * 4, strict=True)
        if not pattern.startswith("!")  # git also reports the line that includes a path again
    }


def _fix(file: str, line: str, pattern: str) -> str:
    if pattern.endswith("/*"):  # DVC applies this pattern to the folder, too
        folder = pattern.removesuffix("*")
        return f"replace line {line} of {file} with two lines: `{folder}**/?*` and `!{folder}**/`"
    return f"remove line {line} from {file}: `{pattern}`"

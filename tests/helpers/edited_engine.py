"""Run `governance …` with modules of the engine that are edited while they are imported.

The files of the engine stay as they are, and so does every digest of them: what is tried is what
the module does, not whether somebody sees that it was changed.
"""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType

Edits = dict[str, list[tuple[str, str]]]
"""Module → texts of its source and what is there instead."""
SOURCE = Path(__file__).resolve().parents[2] / "src"


def command(edits: Edits, folder: Path, python: str = sys.executable) -> list[str]:
    """What to put in front of the words of a `governance` command."""
    given = folder / "edits.json"
    given.write_text(json.dumps(edits), encoding="utf-8")
    return [python, "-P", __file__, str(given)]


def source(module: str) -> str:
    """The text of a module, as it is."""
    return (SOURCE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def edited(text: str, edits: list[tuple[str, str]]) -> str:
    """A module's text after the edits, of which each has one place."""
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} is there {text.count(old)} times")
        text = text.replace(old, new)
    return text


class Finder:
    """Finds the modules that are edited."""

    def __init__(self, edits: Edits) -> None:
        self.edits = edits

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Have an edited module loaded by `Loader`."""
        if name not in self.edits:
            return None
        spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        assert spec
        assert spec.origin
        spec.loader = Loader(name, spec.origin, self.edits[name])
        return spec


class Loader(SourceFileLoader):
    """Compiles the edited text, past every file of bytecode."""

    def __init__(self, name: str, path: str, edits: list[tuple[str, str]]) -> None:
        super().__init__(name, path)
        self.edits = edits

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module as it is after the edits."""
        text = edited(Path(self.path).read_text(encoding="utf-8"), self.edits)
        return compile(text, self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, Finder(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))  # type: ignore[arg-type]
    from governed_ml.__main__ import main

    sys.argv = ["governance", *sys.argv[2:]]
    main()

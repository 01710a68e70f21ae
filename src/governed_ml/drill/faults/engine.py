"""Faults in the code that runs: modules that replace a library, another engine, a forged lock."""

from __future__ import annotations

import re
from pathlib import Path

from governed_ml.drill import small_environment
from governed_ml.drill.fault import Fault, Nothing, Sign
from governed_ml.drill.faults.lineage import UV
from governed_ml.drill.scratch import Scratch

ENGINE = ("check", "engine")
GATE = ("gate", "--json")
SHADOWS = ("yaml.py", "fairlearn.py", "sitecustomize.py", "src/usercustomize.py", "src/numpy/a.py")
FAIRNESS = "governed_ml/measures/fairness.py"


def shadow(scratch: Scratch) -> Sign:
    """Plant modules in the project that are named like a library or run each time Python starts."""
    scratch.plant(dict.fromkeys([*SHADOWS, "src/numpy/__init__.py"], "# ours\n"))
    named = [name.removesuffix("/a.py") for name in SHADOWS]
    told = "it (has the name of the library|runs each time)"
    return Sign(tuple(rf"^{re.escape(name)}: {told}" for name in named))


def path(scratch: Scratch) -> Sign:
    """Make Python search another folder for modules first."""
    scratch.plant({"vendor/fairlearn.py": "# ours\n"})
    scratch.variables["PYTHONPATH"] = str(scratch.project / "vendor")
    return Sign("PYTHONPATH is set, so code that is not installed may run")


def hook(scratch: Scratch) -> Sign:
    """Plant code in the environment that runs each time Python starts."""
    _in_site(scratch, "sitecustomize.py").write_text("# ours\n", encoding="utf-8")
    return Sign("sitecustomize.py runs each time Python starts")


def pth(scratch: Scratch) -> Sign:
    """Plant a `.pth` file that no package installed."""
    _in_site(scratch, "drill.pth").write_text("import sys\n", encoding="utf-8")
    return Sign("drill.pth runs each time Python starts, and it was not installed by")


def patched(scratch: Scratch) -> Sign:
    """Edit a measure in the installed engine."""
    file = _in_site(scratch, FAIRNESS)
    file.write_bytes(file.read_bytes() + b"\n# the mean of all groups\n")
    return Sign(f"{re.escape(FAIRNESS)} is not what was installed with governed-ml")


def added(scratch: Scratch) -> Sign:
    """Add a module to the installed engine."""
    _in_site(scratch, "governed_ml/measures/nicer.py").write_text("# ours\n", encoding="utf-8")
    return Sign(r"nicer\.py was added to governed-ml after its installation")


def _in_site(scratch: Scratch, name: str) -> Path:
    """Make commands run in a small environment; return a path in its site-packages."""
    target = scratch.home / "now" / "environment"
    scratch.python = str(small_environment.make(target))
    return small_environment.packages(target) / name


def lock(scratch: Scratch) -> Sign:
    """Change a package's URL and digest in the lock."""
    text = _lock(scratch)
    found = re.search(r'\nname = "typer"\n.*?url = "(https?://[^/"]+)/', text, re.DOTALL)
    if found is None:
        raise Nothing(f"{UV} has no file of typer with a URL")
    at = found.start(1)
    changed = text[:at] + "https://drill.invalid" + text[found.end(1) :]
    (scratch.project / UV).write_text(changed, encoding="utf-8", newline="\n")
    return Sign(rf"^{UV}: typer comes from drill\.invalid, not from its index")


def pin(scratch: Scratch) -> Sign:
    """Pin the engine to a branch, override a package, and add other settings for uv."""
    file = scratch.project / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    moved, count = re.subn(
        r"(?m)^governed-ml = \{.*$",
        'governed-ml = { git = "https://drill.invalid/engine.git", branch = "main" }',
        text,
    )
    if not count:
        raise Nothing("pyproject.toml names no source of the engine")
    override = '[tool.uv]\noverride-dependencies = ["fairlearn==0.1"]\n'
    moved = moved.replace("[tool.uv]\n", override, 1)
    scratch.plant({"uv.toml": "offline = false\n", "pyproject.toml": moved})
    return Sign(
        (
            r"^pyproject\.toml: the engine is pinned by the branch main",
            r"^pyproject\.toml: it pins the engine ",
            r"^pyproject\.toml: \[tool\.uv\] override-dependencies changes",
            r"^uv\.toml: uv reads it instead of",
        )
    )


def _lock(scratch: Scratch) -> str:
    if not (scratch.project / UV).is_file():
        raise Nothing(f"there is no {UV}")
    return (scratch.project / UV).read_text(encoding="utf-8")


FAULTS = (
    Fault(
        "shadow-module", "a module of the project has the name of a library", (43,), ENGINE, shadow
    ),
    Fault(
        "python-path", "an environment variable makes Python import other code", (43,), GATE, path
    ),
    Fault("site-hook", "code in the environment runs each time Python starts", (43,), GATE, hook),
    Fault("pth-file", "a .pth file was installed by no package", (43,), GATE, pth),
    Fault(
        "patched-engine", "a measure was edited in the installed engine", (42, 43), GATE, patched
    ),
    Fault("added-module", "a module was added to the installed engine", (43,), GATE, added),
    Fault("forged-lock-entry", "uv.lock takes a package from an unknown host", (44,), ENGINE, lock),
    Fault(
        "moved-pin",
        "the engine is pinned by a branch, or settings replace packages",
        (44,),
        ENGINE,
        pin,
    ),
)

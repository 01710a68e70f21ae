"""Which generated files this engine accepts: workflows, access actions, hooks, pipeline stages.

`manifest.json` is made from the template in the same repository (`python tasks.py manifest`) and is
part of the engine. So a project is compared offline, with the engine of its base branch.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from governed_ml.core.files import digest_of, parse_yaml
from governed_ml.core.installation.lockfile import METADATA
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.repository import attempt, git
from governed_ml.scaffold.dvc_yaml import changed_keys, written_by_the_engine

STATE = ".cruft.json"
PIPELINE = "dvc.yaml"
HOOKS = ".pre-commit-config.yaml"
WORKFLOWS = ".github/workflows/"
RESERVED_NAMES = ("decision", "policy", "hooks, types, tests", "template, workflows")
"""Names of the jobs that a merge requires."""
PACKAGE = "<package>"  # stands for the team's package in the manifest's stages

Read = Callable[[str], bytes | None]
"""Path → content, or None if the file does not exist."""


class Outside(NamedTuple):
    """A file, hook or stage that differs from this engine's template: where, why, and the fix."""

    file: str
    key: str
    """Name of a hook or stage; empty for a whole file."""
    reason: str
    fix: str
    digest: str
    """Digest of the current content, to compare two commits; empty if it is missing."""
    refused: bool = True
    """False for a team's own workflow, which `policy diff` reports but which is not refused."""

    @property
    def place(self) -> str:
        """Return its name in reports."""
        return f"{self.file} {self.key}".strip()


@cache
def manifest() -> dict[str, Any]:
    """Return the manifest: `files` (path → accepted SHA-256), `hooks`, `stages`."""
    text = Path(__file__).with_name("manifest.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def working_tree(base: Path) -> tuple[list[str], Read]:
    """Return the files that git tracks or would add, and a function to read them."""
    words = ("ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z")

    def read(name: str) -> bytes | None:
        path = base / name
        return path.read_bytes() if path.is_file() and not path.is_symlink() else None

    names = git(base, *words).split("\0")
    return [name for name in names if name and read(name) is not None], read


def commit_tree(base: Path, commit: str) -> tuple[list[str], Read]:
    """Return the files of a commit, and a function to read them; symbolic links are left out."""
    lines = git(base, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    blobs = {name: word.split()[2] for word, _, name in (line.partition("\t") for line in lines)
             if word.startswith("100")}  # fmt: skip

    def read(name: str) -> bytes | None:
        blob = blobs.get(name)
        return None if blob is None else attempt(base, "cat-file", "blob", blob).stdout

    return list(blobs), read


def outside(names: list[str], read: Read) -> list[Outside]:
    """Return every generated file, hook and stage that differs from this engine's template."""
    return [*_files(names, read), *_hooks(read), *_stages(names, read)]


def sha256(content: bytes) -> str:
    """Return the digest of a text file, independent of its line ends."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def hooks_of(text: bytes | str) -> dict[str, Any]:
    """Return `top` (settings for all hooks) and `local` (name → hook) of a configuration file."""
    whole = _mapping(text, HOOKS)
    try:
        local = {
            str(hook["id"]): hook
            for repository in whole.get("repos", [])
            if repository["repo"] == "local"
            for hook in repository["hooks"]
        }
    except (KeyError, TypeError) as error:
        raise Problem(f"{HOOKS} has a repository without hooks: {FIX}", 1) from error
    return {"top": {k: v for k, v in whole.items() if k != "repos"}, "local": local}


def stages_of(text: bytes | str, where: str = PIPELINE) -> dict[str, dict[str, Any]]:
    """Return stage → its declaration in a `dvc.yaml`."""
    found = _mapping(text, where).get("stages") or {}
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise Problem(f"{where} has no stages that can be read: {FIX}", 1)
    return found


FIX = "restore it with git, or run `uv run --group tools governance update`"


def _mapping(text: bytes | str, where: str) -> dict[str, Any]:
    import yaml

    try:
        whole: Any = parse_yaml(text)
    except (ValueError, yaml.YAMLError) as error:
        said = first_line(error, 100)
        raise Problem(f"{where} is not readable YAML ({said}): {FIX}", 1) from error
    if not isinstance(whole, dict):
        raise Problem(f"{where} is empty: {FIX}", 1)
    return whole


def _files(names: list[str], read: Read) -> Iterator[Outside]:
    known: dict[str, list[str]] = manifest()["files"]
    for name, accepted in known.items():
        content = read(name)
        if content is None:
            yield Outside(name, "", "is missing", FIX, "")
        elif (digest := sha256(content)) not in accepted:
            yield Outside(name, "", "differs from this engine's template", FIX, digest)
    folders = tuple({f"{posixpath.dirname(name)}/" for name in known})
    for name in sorted(set(names) - known.keys()):
        if not name.startswith(folders):
            continue
        digest, workflow = sha256(read(name) or b""), name.startswith(WORKFLOWS)
        why = _stands_in(name, read) if workflow else "is not in the template"
        if why:
            yield Outside(name, "", why, f"run `git rm --cached {name}`", digest)
        else:
            reason = "is a workflow that is not in the template"
            yield Outside(name, "", reason, "ask the risk owner to review it", digest, False)


def _stands_in(name: str, read: Read) -> str | None:
    """Return why a workflow could be mistaken for a required check, or None."""
    import yaml

    try:
        whole: Any = parse_yaml(read(name) or b"")
        jobs = {str(key): job for key, job in whole["jobs"].items()}
        called = {str(job.get("name", key)) for key, job in jobs.items()} | jobs.keys()
    except (ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return "is a workflow that is not readable YAML"
    taken = sorted(called & set(RESERVED_NAMES)) or sorted(one for one in called if "${{" in one)
    if not taken:
        return None
    return f"has a job that reports as {taken[0]!r}, the name of a required check"


def _hooks(read: Read) -> Iterator[Outside]:
    content = read(HOOKS)
    if content is None:
        yield Outside(HOOKS, "", "is missing", FIX, "")
        return
    wanted, found = manifest()["hooks"], hooks_of(content)
    if found["top"] != wanted["top"]:
        reason = "has a setting for all hooks that differs from the template"
        yield Outside(HOOKS, "", reason, FIX, digest_of(found["top"]))
    for name, hook in wanted["local"].items():
        own = found["local"].get(name)
        if own is None:
            yield Outside(HOOKS, name, "is missing", FIX, "")
        elif own != hook:
            yield Outside(HOOKS, name, "differs from the template", FIX, digest_of(own))


def _stages(names: list[str], read: Read) -> Iterator[Outside]:
    content, package = read(PIPELINE), _package(read)
    if content is None:
        yield Outside(PIPELINE, "", "is missing", FIX, "")
        return
    text = json.dumps(manifest()["stages"]).replace(PACKAGE, package)
    wanted: dict[str, dict[str, Any]] = json.loads(text)
    found = stages_of(content)
    for name, stage in wanted.items():
        own = found.get(name)
        if own is None:
            yield Outside(PIPELINE, name, "is missing", FIX, "")
        elif keys := changed_keys(own, stage):
            reason = f"differs from the template: {', '.join(keys)}"
            yield Outside(PIPELINE, name, reason, FIX, digest_of(own))
    theirs = {(PIPELINE, name): one for name, one in found.items() if name not in wanted}
    for place in (name for name in names if name.endswith(f"/{PIPELINE}")):
        theirs |= {(place, name): one for name, one in stages_of(read(place) or b"", place).items()}
    for (place, name), stage in theirs.items():
        if why := written_by_the_engine(stage, posixpath.dirname(place), wanted):
            yield Outside(place, name, why, "let it write another path", digest_of(stage))


def _package(read: Read) -> str:
    try:
        metadata = tomllib.loads((read(METADATA) or b"").decode("utf-8"))
        return str(metadata["tool"]["governed-ml"]["package"])
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(f"{METADATA} names no package in [tool.governed-ml]: {FIX}", 1) from error

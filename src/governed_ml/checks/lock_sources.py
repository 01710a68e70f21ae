"""Compare the sources of packages in `uv.lock` with those that `pyproject.toml` asks for.

`uv lock --check` and `uv sync --locked` accept a lock in which a package has another URL with
another digest. So every package must come from the one default index unless `pyproject.toml` names
another source for it. Its files must be on the index's file host and be named like the package.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from governed_ml.checks.finding import CheckFinding
from governed_ml.core.code.engine import DISTRIBUTION
from governed_ml.core.installation.distributions import canonical
from governed_ml.core.installation.lockfile import LOCK, METADATA, is_project

COMMIT = re.compile(r"[0-9a-f]{40}")
OVERRIDES = (
    *("override-dependencies", "constraint-dependencies", "exclude-dependencies"),
    *("dependency-metadata", "find-links", "extra-index-url", "no-sources", "index-strategy"),
)
"""Keys of `[tool.uv]` that allow versions or files other than the tested ones."""
FIX = "restore it with git, or run `uv lock` on a clean copy"
Table = dict[str, Any]


def settings(project: Table) -> Iterator[CheckFinding]:
    """Yield settings in `[tool.uv]` that change packages, and a pin of the engine that can move."""
    uv: Table = project.get("tool", {}).get("uv", {})
    for key in OVERRIDES:
        if uv.get(key):
            what = f"[tool.uv] {key} changes which packages are installed"
            yield CheckFinding(METADATA, what, "remove it")
    for one in uv.get("index", []):
        if not one.get("explicit") and not one.get("default"):
            what = f"the index {one.get('name') or one.get('url')} may serve any package"
            yield CheckFinding(
                METADATA, what, "add `explicit = true` there, and name it under [tool.uv.sources]"
            )
    source = sources(project).get(DISTRIBUTION, [{}])
    for one in source:
        if "git" in one and not COMMIT.fullmatch(str(one.get("rev", ""))):
            what = f"the engine is pinned by {_pin(one)}, which can move"
            yield CheckFinding(METADATA, what, "pin it by `rev`, with a full commit")
    if len(source) > 1:
        yield CheckFinding(METADATA, "the engine has several sources", "name one")


def _pin(source: Table) -> str:
    kind = next((key for key in ("tag", "branch", "rev") if key in source), None)
    return f"the {kind} {source[kind]}" if kind else "no commit"


def sources(project: Table) -> dict[str, list[Table]]:
    """Return canonical name → the sources that `[tool.uv.sources]` names for it."""
    named: Table = project.get("tool", {}).get("uv", {}).get("sources", {})
    return {
        canonical(name): [dict(one) for one in (value if isinstance(value, list) else [value])]
        for name, value in named.items()
    }


def lock(project: Table, packages: list[Table]) -> Iterator[CheckFinding]:
    """Yield each locked package that comes from another source than `pyproject.toml` asks for."""
    named, indexes = sources(project), _indexes(project)
    registries = Counter(
        _address(one["source"]["registry"])
        for one in packages
        if "registry" in one["source"] and one["name"] not in named
    )
    default = _default(project) or (registries.most_common(1)[0][0] if registries else "")
    hosts = _hosts(packages)
    for one in packages:
        name, source = str(one["name"]), one["source"]
        if is_project(one):
            continue
        asked = named.get(name)
        if asked is None:
            right = set(source) == {"registry"} and _address(source["registry"]) == default
        else:
            right = any(_is(source, each, indexes) for each in asked)
        if not right:
            what = f"{name} comes from {_shown(source)}, {_expected(asked, default)}"
            yield CheckFinding(LOCK, what, FIX)
        else:
            yield from _files(one, hosts)


def _expected(asked: list[Table] | None, default: str) -> str:
    if asked is None:
        return f"but {METADATA} names no source for it except {default or 'an index'}"
    return f"but {METADATA} asks for {', '.join(_shown(one) for one in asked)}"


def _is(source: Table, asked: Table, indexes: dict[str, str]) -> bool:
    """Return whether a lock's source is one that `[tool.uv.sources]` asks for."""
    if "git" in asked:
        found = urlsplit(str(source.get("git", "")))
        address = found._replace(query="", fragment="").geturl()
        same = _address(address) == _address(str(asked["git"]))
        rev = asked.get("rev")
        return same and (rev is None or found.fragment == rev)
    if "index" in asked:
        return _address(source.get("registry", "?")) == indexes.get(asked["index"])
    if "url" in asked:
        return source.get("url") == asked["url"]
    if "path" in asked:
        kinds = ("path", "directory", "editable", "virtual")
        found = next((str(source[kind]) for kind in kinds if kind in source), None)
        return found is not None and found.rstrip("/") == str(asked["path"]).rstrip("/")
    return bool(asked.get("workspace"))


def _files(package: Table, hosts: dict[str, str]) -> Iterator[CheckFinding]:
    """Yield files of a package that are on another host or belong to another package."""
    listed = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
    registry = _address(package["source"].get("registry", ""))
    for file in listed:
        address = str(file.get("url", ""))
        host, name = urlsplit(address).netloc, unquote(urlsplit(address).path.rpartition("/")[2])
        if registry and address and host not in (hosts.get(registry), urlsplit(registry).netloc):
            yield CheckFinding(
                LOCK, f"{package['name']} comes from {host}, not from its index", FIX
            )
            return
        if name and not _is_named(name, package):
            yield CheckFinding(LOCK, f"{package['name']} would be installed from {name}", FIX)
            return
        if registry and not str(file.get("hash", "")).startswith("sha256:"):
            yield CheckFinding(LOCK, f"{package['name']} has a file without a digest", FIX)
            return


def _is_named(file: str, package: Table) -> bool:
    """Return whether a wheel's or sdist's file name fits its package and version."""
    stem = file.lower()
    version = re.escape(str(package.get("version", "")).lower()).replace(r"\+", "[+_-]")
    name = re.escape(canonical(package["name"])).replace(r"\-", "[-_.]+")
    return re.match(rf"{name}-v?{version}([-.]|$)", stem) is not None


def _hosts(packages: list[Table]) -> dict[str, str]:
    """Return index → the host of most of its files."""
    counted: dict[str, Counter[str]] = {}
    for one in packages:
        registry = _address(one["source"].get("registry", ""))
        for file in one.get("wheels", []) if registry else []:
            counted.setdefault(registry, Counter())[urlsplit(str(file.get("url", ""))).netloc] += 1
    return {registry: hosts.most_common(1)[0][0] for registry, hosts in counted.items()}


def _indexes(project: Table) -> dict[str, str]:
    listed: list[Table] = project.get("tool", {}).get("uv", {}).get("index", [])
    return {str(one.get("name")): _address(one.get("url", "")) for one in listed}


def _default(project: Table) -> str:
    """Return the default index in `pyproject.toml`; "" if it names none."""
    uv: Table = project.get("tool", {}).get("uv", {})
    named = next((one.get("url") for one in uv.get("index", []) if one.get("default")), None)
    return _address(named or uv.get("index-url") or "")


def _address(url: object) -> str:
    """Return a URL without credentials and without a final slash."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", str(url)).rstrip("/")


def _shown(source: Table) -> str:
    return ", ".join(f"{kind} {_address(at)}" for kind, at in source.items()) or "the default index"

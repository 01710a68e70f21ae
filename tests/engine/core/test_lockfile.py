"""`uv.lock` as the engine reads it."""

from __future__ import annotations

import pytest

from governed_ml.core.installation import lockfile
from governed_ml.core.problem import Problem

TEXT = """
[[package]]
name = "loans"
source = { editable = "." }
dependencies = [{ name = "one" }]

[package.dev-dependencies]
pipeline = [{ name = "two", extra = ["fast"] }]
dev = [{ name = "six" }]

[[package]]
name = "one"
version = "1.0"
source = { registry = "https://index.example.com/simple" }
dependencies = [{ name = "two" }]

[[package]]
name = "two"
version = "2.0"
source = { registry = "https://index.example.com/simple" }
dependencies = [{ name = "three" }]

[package.optional-dependencies]
fast = [{ name = "four" }]
slow = [{ name = "five" }]

[[package]]
name = "three"
version = "3.0"
source = { registry = "https://index.example.com/simple" }

[[package]]
name = "three"
version = "3.1"
source = { registry = "https://index.example.com/simple" }
"""


def test_only_what_is_asked_for_is_needed() -> None:
    # Given a package that is needed with one of its two extras, and a group of tools
    packages = lockfile.parse(TEXT)
    # Then the other extra and the tools are not needed
    assert lockfile.needed(packages, ("pipeline",)) == {"one", "two", "three", "four"}
    assert lockfile.needed(packages, ()) == {"one", "two", "three"}


def test_a_package_may_be_locked_in_several_versions() -> None:
    assert lockfile.versions(lockfile.parse(TEXT))["three"] == {"3.0", "3.1"}


@pytest.mark.parametrize("text", ["", "[", "package = 1", "[[package]]\nname = 1\nsource = {}"])
def test_an_invalid_lock_is_refused(text: str) -> None:
    with pytest.raises(Problem, match=r"uv\.lock cannot be read"):
        lockfile.parse(text)

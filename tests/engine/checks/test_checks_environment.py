"""Which packages evidence rests on: what the pipeline needs, without the engine and the tools."""

from __future__ import annotations

from governed_ml.checks.lineage.environment import _exchanged, _needed

LOCK = """
[[package]]
name = "m"
source = { virtual = "." }
dependencies = [{ name = "governed-ml" }]
[package.dev-dependencies]
dev = [{ name = "ruff" }]
pipeline = [{ name = "governed-ml", extra = ["pipeline"] }, { name = "fairlearn" }]
[[package]]
name = "governed-ml"
version = "0.2.0"
source = { git = "https://example.org/t.git?rev=1#1" }
dependencies = [{ name = "pydantic" }]
[package.optional-dependencies]
hooks = [{ name = "nbstripout" }]
pipeline = [{ name = "numpy" }]
[[package]]
name = "pydantic"
version = "2.14.0"
source = { registry = "https://index.example.com/simple" }
[[package]]
name = "numpy"
version = "2.4.6"
source = { registry = "https://index.example.com/simple" }
[[package]]
name = "fairlearn"
version = "0.15.0"
source = { registry = "https://index.example.com/simple" }
[[package]]
name = "nbstripout"
version = "0.9.0"
source = { registry = "https://index.example.com/simple" }
[[package]]
name = "ruff"
version = "0.17.0"
source = { registry = "https://index.example.com/simple" }
"""


def test_the_pipelines_packages_are_needed_and_neither_tools_nor_the_engine() -> None:
    assert _needed(LOCK) == {"pydantic", "numpy", "fairlearn"}


def test_another_commit_of_the_engine_is_no_change_of_packages() -> None:
    assert _exchanged(LOCK, LOCK.replace("rev=1#1", "rev=2#2"), _needed(LOCK)) == []
    moved = LOCK.replace(
        'version = "2.4.6"\nsource = { registry = "https://index.example.com/simple" }',
        'version = "2.4.6"\nsource = { url = "https://evil.example/numpy.whl" }',
    )
    assert _exchanged(LOCK, moved, _needed(LOCK)) == ["numpy"]

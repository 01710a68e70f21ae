"""A property over more examples than a push has time for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings


def at_length(test: Any, examples: int, *strategies: Any, **named: Any) -> Any:
    """The same property as a nightly test, over so many examples."""
    again = given(*strategies, **named)(test.hypothesis.inner_test)
    return pytest.mark.nightly(settings(max_examples=examples, deadline=None)(again))

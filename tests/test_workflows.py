"""The generated workflows, really executed by `act` on this machine, as on a first push."""

from __future__ import annotations

import sys
from collections.abc import Callable

import acting
import baked
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="act runs these jobs for ubuntu on Linux"),
]


def test_the_first_push_is_green(
    bake: Callable[..., baked.BakedProject], runner: acting.Runner
) -> None:
    # Given a fresh repository, without secrets and servers
    project = bake()
    # When it is pushed
    run = runner(project, "ci.yml")
    # Then hooks, types and tests are green
    assert run.code == 0, run.tail()
    assert run.jobs == {"check": "success"}

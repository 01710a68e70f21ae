"""The line needs no network and calls nobody, whatever the surroundings say about telemetry."""

from __future__ import annotations

import offline
import pytest
from baked import BakedProject

pytestmark = pytest.mark.slow


def test_the_default_pipeline_runs_with_the_network_cut_and_calls_nobody(
    project_after_run: BakedProject,
) -> None:
    # Given the default pipeline, which ran without a network and with nothing set against telemetry
    assert (project_after_run.path / "reports" / "decision.json").is_file()
    # Then no process of it, DVC's included, wanted to reach anybody
    log = offline.log_of(project_after_run)
    assert not log.exists(), log.read_text(encoding="utf-8")


def test_the_network_watch_detects_connections(finished: BakedProject) -> None:
    # Given a watched project
    variables = offline.watch(finished)
    # When its gate runs, then nobody is called
    judged = finished.run(offline.command(finished, "gate"), **offline.TALKATIVE)
    assert "allow" in judged.stdout
    assert not offline.log_of(finished).exists()
    # When something does call, then that is seen (else the test above could not fail)
    call = "import socket\ntry: socket.create_connection(('localhost', 9), 1)\nexcept OSError: pass"
    finished.run([*offline.cut(), "python", "-c", call], **variables)
    assert "socket.getaddrinfo localhost" in offline.log_of(finished).read_text(encoding="utf-8")

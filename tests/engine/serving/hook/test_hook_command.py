"""`governance hook` as a process of its own, asked over HTTP while the ledger moves."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import baked
import pytest
import registry
from baked import BakedProject

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@contextmanager
def hook(project: BakedProject) -> Generator[int]:
    """Run the command; the port that it prints. It ends in order."""
    assert project.environment
    command = [str(project.environment / "bin" / "governance"), "hook", "--port", "0"]
    env = baked.clean_environment(**project.variables)
    log = registry.home(project) / "hook.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=project.path, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.fullmatch(
                r"answering for governed-model on http://127\.0\.0\.1:(\d+)\n", line
            )
            assert found, line + log.read_text(encoding="utf-8")
            yield int(found[1])
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    assert code in (0, 128 + signal.SIGTERM), log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")


def asked(port: int, address: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """Status and body of an answer; a tool asks again while the version is being judged."""
    for _ in range(20):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        sent = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", address, sent, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        if '"busy"' not in found[1] and "problem:busy" not in found[1]:
            return found
    raise AssertionError("the version is being judged without end")


def result(port: int, number: int) -> str:
    """The result about a version."""
    status, body = asked(port, "/hook/approval", {"version": number})
    assert status == 200, body
    return json.loads(body)["result"]


def test_tools_are_answered_while_versions_are_promoted_and_rolled_back(
    contested: BakedProject,
) -> None:
    # Given a champion, an approved challenger, and the hook that runs in the project
    with hook(contested) as port:
        assert asked(port, "/health/live")[0] == 200
        assert (result(port, 1), result(port, 2), result(port, 9)) == (
            *("approved", "approved"),
            "blocked",
        )
        # When the challenger is promoted and rolled back, then each tool learns it at once
        contested.governance("promote")
        assert (result(port, 1), result(port, 2)) == ("blocked", "approved")
        call = {"name": "loans", "namespace": "prod", "phase": "Progressing", "checksum": "1"}
        call |= {"metadata": {"version": "2"}}
        assert asked(port, "/hook/flagger", call)[0] == 200
        assert asked(port, "/hook/flagger/rollback", call)[0] == 403
        contested.governance("rollback", "--reason", "Complaints from customers")
        status, text = asked(port, "/hook/flagger", call)
        assert status == 403
        assert text == (
            "blocked: version 2: version 2 was rolled back (event 7): Complaints from customers"
        )
        assert asked(port, "/hook/flagger/rollback", call)[0] == 200
        assert json.loads(asked(port, "/hook/argo?version=2")[1])["result"] == "blocked"
        # And when the ledger's remote is gone, then there is no approval but the reason
        origin = registry.home(contested) / "origin.git"
        origin.rename(origin.with_suffix(".away"))
        status, text = asked(port, "/hook/approval", {"version": 1})
        assert (status, "cannot fetch main from origin" in text) == (503, True)
        assert asked(port, "/hook/flagger", call | {"metadata": {"version": "1"}})[0] == 503
        origin.with_suffix(".away").rename(origin)
        assert result(port, 1) == "approved"
    # And nothing was recorded but by the two commands
    assert len(registry.ledger(contested)) == 7

"""A service that is killed again and again loses no answer that a client has."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from baked import BakedProject
from http_service import rows_of, wait_for, wait_until_ready
from service_process import killable

from governed_ml.pipeline.prediction_log import store_files

KILLS, REQUESTS, CLIENTS = 20, 10_000, 4


@dataclass
class Clients:
    """Threads that ask, and what was acknowledged to them."""

    port: int
    rows: list[dict[str, Any]]
    acknowledged: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until told to stop; a connection that breaks is opened again."""
        number = 0
        while not self.stopped.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                while not self.stopped.is_set():
                    number += 1
                    rows = self.rows[: 1 + number % 3]
                    headers = {"content-type": "application/json"}
                    connection.request("POST", "/predict", json.dumps(rows), headers)
                    found = connection.getresponse()
                    content = found.read()
                    if found.status == http.client.OK:
                        answer = json.loads(content)
                        with self.lock:
                            self.acknowledged[answer["request_id"]] = len(rows)
            except (OSError, http.client.HTTPException):
                self.stopped.wait(0.05)
            finally:
                connection.close()


@pytest.mark.nightly
def test_no_acknowledged_answer_is_lost_when_the_process_is_killed(
    project_after_run: BakedProject, tmp_path: Path
) -> None:
    # Given a service that clients ask all the time
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    clients = Clients(port, rows_of(project_after_run))
    threads = [threading.Thread(target=clients.ask, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    # When it is killed again and again, at no particular moment
    for kill in range(KILLS + 1):
        with killable(project_after_run.path, tmp_path, port):
            wait_until_answering(port)
            wanted = (kill + 1) * REQUESTS // (KILLS + 1)
            wait_for(lambda wanted=wanted: len(clients.acknowledged) >= wanted, 600)
    clients.stopped.set()
    for thread in threads:
        thread.join(60)
    # Then the log has every row of every answer that arrived, once
    assert len(clients.acknowledged) >= REQUESTS
    files = store_files.files(tmp_path / "data" / "prediction_log", tmp_path / "scratch")
    logged = pd.concat([pd.read_parquet(one, columns=["request_id", "row"]) for one in files])
    counted = logged.groupby("request_id")["row"].nunique().to_dict()
    lost = {one: n for one, n in clients.acknowledged.items() if counted.get(one) != n}
    assert not lost
    assert not logged.duplicated(["request_id", "row"]).any()


def wait_until_answering(port: int) -> None:
    """Wait until the process listens and is ready."""

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, 120)
    wait_until_ready(port, 120)

"""Runs by itself: writers of a log in forks, each killed in the middle; prints what they confirmed.

python killed_writers.py FOLDER KILLS SEED
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import duckdb  # noqa: F401 - imported once, before the forks

from governed_ml.pipeline.prediction_log.store import Store


def write(folder: Path, name: str, confirmed: int) -> None:
    """Append from two threads and close segments in a third, until the process is killed."""
    store = Store(folder, rotate_bytes=20_000)

    def answer(part: str) -> None:
        number = 0
        while True:
            number += 1
            mine = [f"{name}-{part}-{number}-{row}" for row in range(1 + number % 3)]
            store.append([{"request_id": one, "row": 0, "text": "é" * 50} for one in mine])
            os.write(confirmed, "".join(f"{one}\n" for one in mine).encode())
            time.sleep(0.001)  # so that segments are closed meanwhile

    for part in ("a", "b"):
        Thread(target=answer, args=(part,), daemon=True).start()
    while True:
        store.rotate_if_due()


def killed(folder: Path, name: str, wanted: int) -> bytes:
    """Start a writer, kill it after so many confirmed bytes; return all that it confirmed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        write(folder, name, writing)
    os.close(writing)
    said = b""
    while len(said) < wanted:
        said += os.read(reading, wanted)
    os.kill(child, signal.SIGKILL)
    while more := os.read(reading, 65536):
        said += more
    os.close(reading)
    os.waitpid(child, 0)
    return said


if __name__ == "__main__":
    chance = random.Random(int(sys.argv[3]))  # noqa: S311 - no secret
    for number in range(int(sys.argv[2])):
        said = killed(Path(sys.argv[1]), f"w{number}", chance.randrange(1, 6000))
        print(said.decode(), end="")

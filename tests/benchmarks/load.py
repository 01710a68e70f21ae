"""Ask an HTTP service again and again for some seconds: with wrk, else with threads."""

from __future__ import annotations

import http.client
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LUA = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  number = number + 1
  return wrk.format(nil, nil, nil, bodies[number %% #bodies + 1])
end
done = function(summary, latency, _)
  local failed = summary.errors
  local bad = failed.connect + failed.read + failed.write + failed.status + failed.timeout
  io.write(string.format("\\n{\\"requests\\": %%d, \\"seconds\\": %%f, \\"bad\\": %%d, ",
    summary.requests, summary.duration / 1e6, bad))
  io.write(string.format("\\"p50\\": %%f, \\"p95\\": %%f, \\"p99\\": %%f}\\n",
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Load:
    """Requests a second, and quantiles of how many milliseconds a request took."""

    rate: float
    p50: float
    p95: float
    p99: float


def middle(loads: Sequence[Load]) -> Load:
    """Return the medians of several measurements."""
    return Load(
        *(
            statistics.median(getattr(one, name) for one in loads)
            for name in ("rate", "p50", "p95", "p99")
        )
    )


def measured(url: str, bodies: Sequence[bytes], seconds: float, connections: int) -> Load:
    """Ask with so many connections at a time, each again as soon as it has its answer."""
    found = (_by_wrk if shutil.which("wrk") else _by_threads)(url, bodies, seconds, connections)
    if found["bad"] or not found["requests"]:
        raise SystemExit(f"error: {found['bad']} of {found['requests']} requests failed at {url}")
    return Load(found["requests"] / found["seconds"], found["p50"], found["p95"], found["p99"])


def _by_wrk(
    url: str, bodies: Sequence[bytes], seconds: float, connections: int
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        lines, script = Path(scratch, "bodies"), Path(scratch, "ask.lua")
        lines.write_bytes(b"\n".join(bodies) + b"\n")
        script.write_text(LUA % lines, encoding="utf-8")
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", "30s", "-s", str(script), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _by_threads(
    url: str, bodies: Sequence[bytes], seconds: float, connections: int
) -> dict[str, float]:
    taken, bad = list[float](), list[int]()
    end = time.perf_counter() + seconds
    parts = urlsplit(url)

    def ask() -> None:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        path, number = f"{parts.path}?{parts.query}", 0
        while (start := time.perf_counter()) < end:
            number += 1
            body = bodies[number % len(bodies)]
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            taken.append(1000 * (time.perf_counter() - start))
            if answer.status != http.client.OK:
                bad.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    at = statistics.quantiles(taken, n=100) if len(taken) > 1 else [0.0] * 99
    found = {"p50": at[49], "p95": at[94], "p99": at[98]}
    return found | {"requests": len(taken), "seconds": seconds, "bad": len(bad)}

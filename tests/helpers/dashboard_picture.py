"""Draw docs/pictures/dashboard.png: `python tests/helpers/dashboard_picture.py PROJECT [SECONDS]`.

PROJECT is a folder of the default project after `dvc repro`. Its model is served and asked, a real
Prometheus scrapes it, and the panels are drawn from the answers to the dashboard's own queries.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from baked import ROOT, BakedProject
from browsing import CHROMIUM
from drawn_panels import Drawn, legend, page
from http_service import Ledger, ask, model_of, rows_of, running, service_of, version_of
from prometheus_stack import Prometheus, until, watching
from promql_uses import VARIABLES
from scraped import life, measured

from governed_ml.core.config import composition
from governed_ml.core.config.params import Params
from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.pipeline.prediction_log.places import PREDICTIONS
from governed_ml.serving.metrics.alerts import rule_files
from governed_ml.serving.metrics.written_files import DASHBOARD

PICTURE = ROOT / "docs" / "pictures" / "dashboard.png"
JOB, STEP, RATES = VARIABLES["$job"], 2, "20s"
ABOUT = (
    "Drawn from the dashboard's own queries on a real scrape of the running service, "
    "not by Grafana."
)


def drawn(prometheus: Prometheus, start: float, end: float) -> str:
    """The page of the dashboard's file, with what each query finds."""
    content = json.loads((prometheus.folder / DASHBOARD).read_text(encoding="utf-8"))
    parts: list[Drawn | str] = []
    for panel in content["panels"]:
        if panel["type"] == "row":
            parts.append(panel["title"])
            continue
        found = []
        for target in panel["targets"]:
            expr = target["expr"].replace("$job", JOB).replace("$__rate_interval", RATES)
            for one in answers(prometheus, expr, start, end, instant=target["instant"]):
                points = [(float(at), float(value)) for at, value in one["values"]]
                found.append((legend(target["legendFormat"], one["metric"]), points))
        parts.append(Drawn(panel, found))
    return page(content["title"], parts, ABOUT)


def answers(
    prometheus: Prometheus, expr: str, start: float, end: float, *, instant: bool
) -> list[dict[str, Any]]:
    """The series of a query over the time, or now."""
    if not instant:
        return prometheus.over_time(expr, start, end, STEP)
    return [one | {"values": [one["value"]]} for one in prometheus.query(expr)]


def scene(params: Params, project: BakedProject) -> Ledger:
    """A champion with a window, and a canary that answers a tenth of the subjects."""
    assert params.policy.monitoring is not None
    values = measured(
        params.policy,
        **{
            "drift.data[income]": 0.06,
            "drift.prediction": 0.04,
            "drift.target": 0.03,
            "performance.roc_auc": 0.79,
            "performance.calibration": 0.05,
            "fairness.demographic_parity[sex]": 0.03,
            "fairness.equalized_odds[sex]": 0.045,
        },
    )
    promoted = datetime.now(UTC) - timedelta(days=20)
    found: Any = life({"values": values}, days=14, promoted=promoted)
    digests = {one: f"sha256:{hashlib.sha256(str(one).encode()).hexdigest()}" for one in (3, 4)}
    found.versions[3].entries[0].event.subject["model"] = digests[3]
    found.versions[4] = version_of(4, "approved", digests[4])
    found.canary = SimpleNamespace(version=4, share=10)
    models = {number: model_of(project, found.versions[number]) for number in (3, 4)}
    return Ledger(models, found, params.policy)


def asked(port: int, project: BakedProject, log: Path, seconds: float) -> None:
    """Ask as clients do, a few with a mistake. For a while the log cannot be written."""
    rows, dice = rows_of(project, 400), random.Random(2026)  # noqa: S311 - no secret
    start = time.monotonic()
    for number in itertools.count():
        passed = time.monotonic() - start
        if passed > seconds:
            return
        broken = 0.6 < passed / seconds < 0.64
        if broken and log.is_dir():
            log.rename(log.with_name(f"{log.name}-{number}"))
            log.write_bytes(b"")
        elif not broken and log.is_file():
            log.unlink()
        some = dice.sample(rows, dice.choice([1, 1, 1, 2, 5, 20]))
        some = [{"no": "column"}] if dice.random() < 0.04 else some
        headers = {"content-type": "application/json", "X-Subject": f"s{number % 997}"}
        ask(port, "POST", "/predict", json.dumps(some).encode(), headers)
        time.sleep(0.02 + 0.12 * (1 + math.sin(passed / 25)))


def main(project: str, seconds: str = "240") -> None:
    """Serve, ask, scrape, draw, and photograph the page."""
    made = BakedProject(Path(project))
    params = composition.compose(made.path / "conf", ["policy=high"])
    explain = ServedExplanations(serve="sampled", share=0.2)
    policy = params.policy.model_copy(update={"explain": explain})
    params = params.model_copy(update={"policy": policy})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = scene(params, made)
        with (
            running(service_of(folder / "service", ledger)) as port,
            watching(params, JOB, port, folder / "prometheus") as prometheus,
        ):
            until(lambda: bool(prometheus.query("up == 1")), "the service is scraped")
            start = time.time()
            asked(port, made, folder / "service" / PREDICTIONS, float(seconds))
            text = drawn(prometheus, start + 20, time.time())
            print("alerts:", prometheus.firing() or "none", "of", rule_files.RULES)
        (folder / "page.html").write_text(text, encoding="utf-8")
        photograph(folder / "page.html", PICTURE)


def photograph(path: Path, picture: Path) -> None:
    """Take a picture of a page, with few colours, so that it is small."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1200, "height": 900})
        shown.goto(path.as_uri())
        shown.screenshot(path=picture, full_page=True)
        browser.close()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(64).save(picture, optimize=True)
    print(picture, picture.stat().st_size, "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])

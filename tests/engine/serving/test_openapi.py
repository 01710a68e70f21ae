"""The description of the service is true: generated requests get what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from baked import BakedProject
from http_service import Ledger, ask, model_of, post, rows_of, running, service_of, version_of

pytestmark = pytest.mark.slow
EXAMPLES = 40


@pytest.fixture(name="port", scope="module")
def running_service(
    project_after_run: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> Generator[int]:
    """The default project's model, served."""
    ledger = Ledger({1: model_of(project_after_run)})
    ledger.life.versions[1] = version_of()
    with running(service_of(tmp_path_factory.mktemp("openapi"), ledger)) as port:
        yield port


def test_the_description_has_the_columns_of_the_model(port: int) -> None:
    # Given a running service, when its description is read
    found = ask(port, "GET", "/openapi.json").json
    row = found["components"]["schemas"]["Row"]
    # Then it has the features with their types, and needs no others
    assert set(row["required"]) == {
        *("income", "loan_amount", "debt_ratio", "credit_history_years", "late_payments"),
        *("savings", "region", "employment_status", "housing", "purpose"),
    }
    assert "repaid" not in row["properties"]
    assert row["additionalProperties"] is False
    # And nobody needs a token, as the settings say
    assert "securitySchemes" not in found["components"]


def test_generated_requests_get_what_the_description_says(port: int, tmp_path: Path) -> None:
    # Given the description, when requests are generated from it, good ones and bad ones
    command = [sys.executable, "-m", "schemathesis.cli", "run"]
    command += [f"http://127.0.0.1:{port}/openapi.json", "--checks", "all", "--no-color"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "1"]
    command += ["--suppress-health-check", "all", "--phases", "examples,coverage,fuzzing"]
    env = os.environ | {"SCHEMATHESIS_HOOKS": "", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=500
    )
    # Then no answer is a 5xx, none differs from the description, and good requests are accepted
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_page_asks_no_other_host(port: int) -> None:
    # Given the API page, when it is read
    page = ask(port, "GET", "/docs")
    # Then all that it loads is the service's own
    text = page.content.decode()
    assert page.status == 200
    assert "http://" not in text.replace("http://127.0.0.1", "")
    assert "https://" not in text
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/docs/{name}" in text
        assert ask(port, "GET", f"/docs/{name}").status == 200
    assert ask(port, "GET", "/docs/../routes.py").status == 404
    # And only the page may run its scripts
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert post(port, "/predict", {}).headers["content-security-policy"].startswith("default-src")


def test_examples_of_the_table_are_accepted(port: int, project_after_run: BakedProject) -> None:
    # Given rows of the table, when they are sent, then they are accepted
    assert post(port, "/predict", rows_of(project_after_run, 200)).status == 200

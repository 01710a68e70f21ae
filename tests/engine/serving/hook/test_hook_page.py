"""The manifests of docs/approval-hook.md, used as the tools would use them."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from baked import ROOT
from hooked import APPROVED, BLOCKED, PENDING, Caller, TestJudge, hook
from issuer_server import IssuerServer

from governed_ml.core.config.production.hook import Hook
from governed_ml.core.config.production.serve import Serve
from governed_ml.serving.hook.question import ApprovalQuestion

TEXT = (ROOT / "docs" / "approval-hook.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


def manifest(kind: str) -> dict[str, Any]:
    """The manifest of a kind."""
    [found] = [one for one in BLOCKS if one.get("kind") == kind]
    return found


@pytest.fixture(scope="module")
def issuer() -> Generator[IssuerServer]:
    """An issuer of tokens."""
    with IssuerServer() as server:
        yield server


def path(url: str) -> str:
    """The part of an address that the hook sees."""
    parts = urlsplit(url)
    assert parts.scheme == "https"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def test_the_settings_on_the_page_are_valid() -> None:
    # Given the settings that the page shows, when they are read, then they are the models' own
    first, last = (Serve.model_validate(one["serve"]) for one in BLOCKS if "serve" in one)
    assert first.hook == Hook(port=8001)
    assert last.hook.github is not None
    assert last.hook.github.app == "Iv23liEXAMPLE"


def test_the_question_and_the_fields_of_the_answer_on_the_page_are_the_hooks() -> None:
    # Given the question in the page's command, when it is read, then it is one
    [given] = re.findall(r"--data '(.*)'", TEXT)
    ApprovalQuestion.model_validate(json.loads(given) | {"model": f"sha256:{'0' * 64}"})
    # And the answer has the fields that the page shows, in that order
    [shown] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert list(json.loads(shown)) == list(type(APPROVED).model_fields)


def test_flaggers_manifest_confirms_and_rolls_back(issuer: IssuerServer) -> None:
    # Given the page's Canary, with a token, when Flagger calls each of its webhooks
    judge = TestJudge()
    caller, token = Caller(hook(issuer, judge), None), issuer.token(scope="model:deploy")
    found: dict[str, list[int]] = {}
    for webhook in manifest("Canary")["spec"]["analysis"]["webhooks"]:
        assert all(isinstance(one, str) for one in webhook["metadata"].values())
        metadata = webhook["metadata"] | {"token": token}
        call = {"name": "loans", "namespace": "prod", "phase": "Waiting", "metadata": metadata}
        for said in (APPROVED, PENDING, BLOCKED):
            judge.said = said
            status = caller.post(path(webhook["url"]), call).status
            found.setdefault(webhook["type"], []).append(status)
    # Then 200 confirms what is approved, and rolls back what is blocked
    confirms = [200, 403, 403]
    assert found == {
        "confirm-rollout": confirms,
        "confirm-promotion": confirms,
        "rollback": [403, 403, 200],
    }
    assert {one.version for one in judge.asked} == {3}


def test_argos_manifest_waits_for_people_and_fails_what_is_blocked(issuer: IssuerServer) -> None:
    # Given the page's AnalysisTemplate, with its argument filled in, when Argo measures
    spec = manifest("AnalysisTemplate")["spec"]
    [metric] = spec["metrics"]
    web = metric["provider"]["web"]
    address = path(web["url"].replace("{{args.version}}", "3"))
    judge = TestJudge()
    caller = Caller(hook(issuer, judge), issuer.token(scope=" ".join(oauth(web)["scopes"])))
    found = {}
    for said in (APPROVED, PENDING, BLOCKED):
        judge.said = said
        body = json.loads(caller.get(address).body)
        result = body[web["jsonPath"].removeprefix("{$.").removesuffix("}")]
        found[said.result] = [
            f'result == "{result}"' == metric[name]
            for name in ("successCondition", "failureCondition")
        ]
    # Then approved succeeds, blocked fails, and pending is neither: the rollout waits
    assert found == {"approved": [True, False], "pending": [False, False], "blocked": [False, True]}
    assert {one.version for one in judge.asked} == {3}
    # And it has no `count`, with which a version would pass that waited often enough
    assert "count" not in metric
    assert (metric["consecutiveSuccessLimit"], metric["failureLimit"]) == (1, 0)


def oauth(web: dict[str, Any]) -> dict[str, Any]:
    """How Argo gets its token."""
    return web["authentication"]["oauth2"]

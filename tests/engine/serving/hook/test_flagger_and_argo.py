"""Flagger's webhooks and the metric `web` of Argo Rollouts, by their published definitions.

- fluxcd/flagger at 15bd6ad5, `pkg/apis/flagger/v1beta1/canary.go` (`CanaryWebhookPayload`) and
  `pkg/controller/webhook.go`: POST of this JSON, with no header but `Content-Type`; a status over
  202 stops; `docs/gitbook/usage/webhooks.md`: the body of another answer becomes an event.
- argoproj/argo-rollouts at 9f8d111d, `pkg/apis/rollouts/v1alpha1/analysis_types.go` (`WebMetric`)
  and `metricproviders/webmetric/webmetric.go`: any status but 2xx is an error of the measurement.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from hooked import APPROVED, BLOCKED, COMMIT, MODEL, PENDING, UNKNOWN, Caller, TestJudge, hook
from issuer_server import IssuerServer

from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.question import ApprovalQuestion

SCOPE = "model:deploy"
PHASES = (  # `CanaryPhase` in pkg/apis/flagger/v1beta1/status.go
    *("", "Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion"),
    *("Promoting", "Finalising", "Succeeded", "Failed", "Terminating", "Terminated"),
)


def canary(phase: str = "Progressing", **metadata: str) -> dict[str, Any]:
    """A `CanaryWebhookPayload`, as Go encodes it: without metadata, the key is left out."""
    made: dict[str, Any] = {"name": "loans", "namespace": "prod", "phase": phase}
    made["checksum"] = "85d557f47b"
    return made | ({"metadata": metadata} if metadata else {})


@pytest.fixture(scope="module")
def issuer() -> Generator[IssuerServer]:
    """An issuer of tokens."""
    with IssuerServer() as server:
        yield server


@pytest.fixture
def judge() -> TestJudge:
    """A judge for one test."""
    return TestJudge()


@pytest.fixture
def caller(issuer: IssuerServer, judge: TestJudge) -> Caller:
    """A caller with a token in the header, as a proxy adds it, or Argo's `headers`."""
    return Caller(hook(issuer, judge), issuer.token(scope=SCOPE))


# Flagger


@pytest.mark.parametrize(
    ("said", "goes_on", "rolls_back"),
    [(APPROVED, 200, 403), (PENDING, 403, 403), (BLOCKED, 403, 200), (UNKNOWN, 403, 403)],
    ids=["approved", "pending", "blocked", "unknown"],
)
def test_flagger_goes_on_only_if_approved_and_rolls_back_only_if_blocked(
    said: HookAnswer, goes_on: int, rolls_back: int, caller: Caller, judge: TestJudge
) -> None:
    # Given a version, when Flagger asks in any phase before a step, or whether to roll back
    judge.said = said
    for phase in PHASES:
        found = caller.post("/hook/flagger", canary(phase, version="2", model=MODEL))
        # Then it goes on only with an approval; the text says why, for the event in the cluster
        assert (found.status, found.body.decode()) == (goes_on, said.line())
        assert found.headers["content-type"].startswith("text/plain")
    # And success of the hook `rollback` starts a rollback: only a version that is known and blocked
    found = caller.post("/hook/flagger/rollback", canary("Progressing", version="2"))
    assert (found.status, found.body.decode()) == (rolls_back, said.line())
    assert judge.asked[0] == ApprovalQuestion(version=2, model=MODEL)


def test_flaggers_texts_say_what_is_wrong_and_stay_short(caller: Caller, judge: TestJudge) -> None:
    # Given reasons, also one that is very long, when Flagger asks, then the event can hold them
    said = [(APPROVED, "approved: version 2: it may be deployed")]
    said += [(PENDING, "pending: version 2: it waits for Ada")]
    said += [(UNKNOWN, "blocked: the ledger has no version 9")]
    for judge.said, text in said:
        assert caller.post("/hook/flagger", canary(version="2")).body.decode() == text
    judge.said = HookAnswer(result="blocked", reasons=["why " * 1000]).named()
    assert len(caller.post("/hook/flagger", canary(version="2")).body.decode()) == 400


def test_flagger_shows_its_token_in_the_metadata_and_a_header_comes_first(
    issuer: IssuerServer, judge: TestJudge
) -> None:
    # Given a Canary whose metadata has a good token, when Flagger asks without a header
    app = hook(issuer, judge)
    good, bad = issuer.token(scope=SCOPE), issuer.token(scope=SCOPE, aud="another")
    alone = Caller(app, None)
    assert alone.post("/hook/flagger", canary(version="2", token=good)).status == 200
    # Then it is admitted, and the token is neither part of the question nor of the answer
    assert judge.asked == [ApprovalQuestion(version=2)]
    # And where a proxy adds a header, only that one counts
    assert Caller(app, good).post("/hook/flagger", canary(version="2", token=bad)).status == 200
    assert Caller(app, bad).post("/hook/flagger", canary(version="2", token=good)).status == 401
    # And a token that no header could hold is none
    for token in ("é", "two\nlines", ""):
        found = alone.post("/hook/flagger", canary(version="2", token=token))
        assert found.status == 401
        assert good not in str(found)
    # And metadata opens only Flagger's addresses
    assert alone.post("/hook/argo", canary(version="2", token=good)).status == 401


def test_flagger_without_metadata_or_with_claims_names_no_version(
    caller: Caller, judge: TestJudge
) -> None:
    # Given a Canary that names no version, when Flagger asks, then it is refused
    for given in (canary(), canary(test="all"), canary() | {"metadata": None}):
        assert caller.post("/hook/flagger", given).kind == "invalid-question"
    assert judge.asked == []
    # And claims beside the version have no effect
    judge.said = PENDING
    claims = {"role": "risk-owner", "state": "approved", "approved": "true"}
    assert caller.post("/hook/flagger", canary(version="2", **claims)).status == 403
    assert judge.asked == [ApprovalQuestion(version=2)]


# Argo Rollouts


def measured(found: Any, path: str = "result") -> Any:
    """What `jsonPath: "{$.result}"` gives for an answer; an error for any status but 2xx."""
    assert 200 <= found.status < 300, "an error of the measurement"
    return json.loads(found.body)[path]


@pytest.mark.parametrize("said", [APPROVED, PENDING, BLOCKED, UNKNOWN])
def test_argo_measures_the_result_by_get_and_by_post(
    said: HookAnswer, caller: Caller, judge: TestJudge
) -> None:
    # Given a version, when Argo measures with arguments in the address or with a `jsonBody`
    judge.said = said
    query = f"version=2&commit={COMMIT}&service=loans"
    by_get = caller.get(f"/hook/argo?{query}")
    by_post = caller.post("/hook/argo", {"version": "2", "commit": COMMIT, "service": "loans"})
    # Then `result` is what conditions compare: approved, blocked, or neither (inconclusive)
    assert measured(by_get) == measured(by_post) == said.result
    assert by_get.body == by_post.body
    assert judge.asked == [ApprovalQuestion(version=2, commit=COMMIT)] * 2


def test_argo_is_told_what_is_wrong_with_its_question(caller: Caller, judge: TestJudge) -> None:
    # Given arguments that were not filled in, that are there twice, or that name no version
    for query in ("", "version={{args.version}}", "version=", "commit=main", "service=loans"):
        assert caller.get(f"/hook/argo?{query}").kind == "invalid-question"
    found = caller.get("/hook/argo?version=2&version=3")
    assert found.document["errors"][0]["detail"] == "`version` is there more than once"
    # Then nothing was judged: an error is no approval
    assert judge.asked == []
    # And claims have no effect
    judge.said = PENDING
    assert measured(caller.get("/hook/argo?version=2&result=approved&role=owner")) == "pending"

"""What a caller may ask: one version, and only what an approval binds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from governed_ml.core.problem import Unusable
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.bodies import json_object
from governed_ml.serving.hook.question import asked_version, from_texts, question
from governed_ml.serving.http.problems import RequestRefused

COMMIT, OTHER = "c" * 40, "d" * 40
MODEL = f"sha256:{'a' * 64}"


def version(number: int, **subject: str) -> Any:
    """A version of a ledger."""
    return SimpleNamespace(number=number, subject={"commit": COMMIT, "model": MODEL} | subject)


def ledger(*versions: Any) -> Any:
    """A ledger with these versions."""
    return Lifecycle(versions={one.number: one for one in versions})


@pytest.mark.parametrize(
    ("given", "place", "why"),
    [
        ({}, "", "name the version, or the commit or model"),
        ({"data": MODEL}, "", "name the version, or the commit or model"),
        ({"version": "2"}, "/version", "valid integer"),
        ({"version": True}, "/version", "valid integer"),
        ({"version": 0}, "/version", "greater than or equal to 1"),
        ({"version": 2.5}, "/version", "valid integer"),
        ({"version": [2]}, "/version", "valid integer"),
        ({"commit": "c0ffee"}, "/commit", "match pattern"),
        ({"commit": COMMIT + "\n"}, "/commit", "match pattern"),
        ({"model": "a" * 64}, "/model", "match pattern"),
        ({"version": 2, "role": "risk-owner"}, "", "a field is unknown; known are version, name"),
        ({"version": 2, "metrics": {"auc": 1.0}}, "", "a field is unknown"),
        ({"version": 2, "approvals": ["ada"]}, "", "a field is unknown"),
        ({"version": 2, "state": "approved"}, "", "a field is unknown"),
    ],
)
def test_a_question_that_is_malformed_or_claims_something_is_refused(
    given: dict[str, Any], place: str, why: str
) -> None:
    # Given fields that name no version, or that an approval does not bind, when they are read
    with pytest.raises(RequestRefused) as refused:
        question(given)
    # Then they are refused, by the place and the reason
    assert (refused.value.status, refused.value.kind) == (422, "invalid-question")
    [fault] = refused.value.faults
    assert fault.pointer == place
    assert why in fault.detail
    assert "risk-owner" not in str(vars(refused.value))


def test_other_tools_send_texts_and_fields_of_their_own() -> None:
    # Given the texts of another tool, with an empty one and with claims of its own
    given = {"version": "2", "commit": COMMIT, "model": "", "role": "risk-owner", "token": "x"}
    # When they are read, then the claims are no part of the question
    assert from_texts(given) == question({"version": 2, "commit": COMMIT})
    for text in ("two", "-1", "2.0", "٢", "2 ", "9" * 50):
        with pytest.raises(RequestRefused, match="does not name a version"):
            from_texts({"version": text})


def test_a_version_is_found_by_number_commit_or_model() -> None:
    # Given versions of two commits
    life = ledger(version(1), version(2, commit=OTHER, model=f"sha256:{'b' * 64}"))
    # When one is named by what only it was made of, then it is found
    for asked in ({"version": 2}, {"commit": OTHER}, {"model": f"sha256:{'b' * 64}"}):
        found = asked_version(life, question(asked))
        assert not isinstance(found, Unusable)
        assert found.number == 2
    # And where none or several fit, then none is found, and it says why
    said = {
        "the ledger has no version 7; it has 1, 2": {"version": 7},
        "the ledger has no version of this commit": {"commit": "e" * 40},
        "the ledger has no version of this commit and this model": {
            "commit": OTHER,
            "model": MODEL,
        },
    }
    for why, asked in said.items():
        assert asked_version(life, question(asked)) == Unusable(why)
    twice = ledger(version(1), version(2))
    why = "versions 1 and 2 are of this commit: name one by its number"
    assert asked_version(twice, question({"commit": COMMIT})) == Unusable(why)


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 400, "the body is not JSON"),
        (b"{", 400, "the body is not JSON"),
        (b"\xff", 400, "the body is not UTF-8"),
        (b'{"version": NaN}', 400, "NaN and Infinity are not JSON"),
        (b'{"version": 1, "version": 2}', 400, "a name occurs more than once"),
        (b'{"version": ' + b"1" * 5000 + b"}", 400, "not JSON that can be read"),
        (b"[" * 100_000, 400, "not JSON that can be read"),
        (b"[1]", 422, "the body must be a JSON object"),
        (b"null", 422, "the body must be a JSON object"),
    ],
)
def test_a_body_that_is_not_one_strict_object_is_refused(
    body: bytes, status: int, why: str
) -> None:
    # Given bytes that are no JSON object, or that readers take for different ones, when read
    with pytest.raises(RequestRefused) as refused:
        json_object(body)
    # Then they are refused, with the reason
    assert refused.value.status == status
    assert why in refused.value.detail


def test_the_same_answer_has_the_same_id_and_another_one_has_another() -> None:
    # Given an answer, when it is given again, then its id is the same
    answer = HookAnswer(result="approved", version=2, ledger="e" * 40).named()
    assert answer.answer_id == answer.named().answer_id
    # And each part of it counts
    changes: list[dict[str, Any]] = [{"result": "blocked"}, {"version": 3}, {"ledger": "f" * 40}]
    changes += [{"policy_in_force": MODEL}, {"subject": {"commit": COMMIT}}, {"reasons": ["why"]}]
    ids = {answer.model_copy(update=one).named().answer_id for one in changes}
    assert len(ids | {answer.answer_id}) == 7

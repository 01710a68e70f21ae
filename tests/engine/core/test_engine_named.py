"""Evidence, decisions, approvals and releases name the engine; records before 0.2 stay readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from governed_ml.core.code import engine, stage_code
from governed_ml.core.evidence import EngineRef, Subject
from governed_ml.core.files import digest_of
from governed_ml.policy.decision import Decision, DecisionSubject
from governed_ml.registry.approval.approvals import Approval
from governed_ml.registry.release.bundle import Statement

BY = EngineRef(version="0.2.0", digest="sha256:aa")
OTHER = EngineRef(version="0.2.1", digest="sha256:bb")
DIGESTS = {"inputs": {"data/raw.parquet": "sha256:1"}, "code": "sha256:2", "config": "sha256:3"}
STATED = {
    "name": "m", "version": 3, "commit": "c", "model": "sha256:1", "data": "sha256:2",
    "policy": "sha256:3",
}  # fmt: skip


def decision(by: EngineRef | None) -> Decision:
    return Decision(
        verdict="deny", rules=[], subject=DecisionSubject(model="m", engine=by), policy_digest=None
    )


def test_evidence_without_an_engine_keeps_its_digest() -> None:
    old = {**DIGESTS, "model": None}  # as engines before 0.2 wrote it
    assert Subject.model_validate(old).model_dump(mode="json") == old
    named = Subject.model_validate(old | {"engine": BY.model_dump()})
    assert named.model_dump(mode="json") == old | {"engine": BY.model_dump()}


def test_a_decision_without_an_engine_keeps_its_digest() -> None:
    values = decision(None).model_dump(mode="json")
    assert values["subject"] == {"model": "m", "inputs": {}, "evidence": {}}
    assert Decision.model_validate(values) == decision(None)


def test_decisions_of_two_engines_that_agree_differ_in_the_engine_only() -> None:
    one, two = decision(BY), decision(OTHER)
    assert one.lasting() == two.lasting() == decision(None).lasting()
    assert digest_of(one.model_dump(mode="json")) != digest_of(two.model_dump(mode="json"))


def test_a_statement_names_the_engine_and_older_statements_keep_their_signature() -> None:
    old = Statement.model_validate(STATED | {"decision": "sha256:4"})
    assert "engine" not in old.model_dump(mode="json")
    assert old.subject() == {k: v for k, v in STATED.items() if k != "version"} | {
        "decision": "sha256:4"
    }
    new = old.model_copy(update={"engine": BY.digest, "engine_version": BY.version})
    assert new.subject() == old.subject() | {"engine": BY.digest, "engine_version": "0.2.0"}


def test_an_approval_signs_the_engine_and_an_old_signature_still_fits() -> None:
    values = (
        STATED
        | {"approver": "a", "roles": ["r"], "source": "ssh"}
        | {"time": "2026-01-02T03:04:05Z"}
    )
    old = Approval.model_validate(values)
    assert b"engine" not in old.signed_text()
    new = old.model_copy(update={"engine": BY.digest})
    assert b'"engine":"sha256:aa"' in new.signed_text()


def test_another_engine_judges_again_and_measures_nothing_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.governed-ml]\npackage = "own"\n', encoding="utf-8"
    )
    (tmp_path / "src/own").mkdir(parents=True)
    (tmp_path / "src/own/__init__.py").write_text("", encoding="utf-8")
    before = stage_code.digests(tmp_path)
    monkeypatch.setattr(engine, "digest", lambda: "sha256:another")
    after = stage_code.digests(tmp_path)
    assert {stage for stage in before if before[stage] != after[stage]} == {"decide"}

"""What was signed is what is loaded: every other file, byte, name, version or key is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import registry
from baked import BakedProject
from registry import artifacts

pytestmark = pytest.mark.slow


def change_model(folder: Path) -> None:
    """Flip one bit in the middle of the model."""
    path = folder / "bundle" / "model.skops"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_metadata(folder: Path) -> None:
    """Change how MLflow would load it."""
    path = folder / "bundle" / "MLmodel"
    path.write_text(
        path.read_text(encoding="utf-8").replace("predict_fn: predict", "predict_fn: p")
    )


def change_evidence(folder: Path) -> None:
    """Improve a number in the sealed evidence."""
    path = folder / "bundle" / "governance" / "reports" / "evidence" / "evaluate.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"value": 0.', '"value": 0.9', 1))


def add(folder: Path) -> None:
    """Add a module next to the model."""
    (folder / "bundle" / "sitecustomize.py").write_text("raise SystemExit\n", encoding="utf-8")


def add_for_git(folder: Path) -> None:
    """Add a file whose name signing tools leave out by default."""
    (folder / "bundle" / ".gitattributes").write_text("* filter=evil\n", encoding="utf-8")


def add_git_folder(folder: Path) -> None:
    """Add a folder that signing tools leave out by default."""
    (folder / "bundle" / ".git").mkdir()
    (folder / "bundle" / ".git" / "config").write_text("[core]\n", encoding="utf-8")


def remove(folder: Path) -> None:
    """Take a file away."""
    (folder / "bundle" / "requirements.txt").unlink()


def remove_model(folder: Path) -> None:
    """Take the model away."""
    (folder / "bundle" / "model.skops").unlink()


def rename(folder: Path) -> None:
    """Give a file another name."""
    (folder / "bundle" / "conda.yaml").rename(folder / "bundle" / "Conda.yaml")


def swap(folder: Path) -> None:
    """Exchange two files' contents."""
    one, two = folder / "bundle" / "conda.yaml", folder / "bundle" / "python_env.yaml"
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def unsign(folder: Path) -> None:
    """Take the signature away."""
    shutil.rmtree(folder / "signature")


def spoil_signature(folder: Path) -> None:
    """Put words where the signature was."""
    (folder / "signature" / "model.sig").write_text("{}", encoding="utf-8")


BROKEN = "the model's signature is invalid: "
MUTATIONS = {
    change_model: f"{BROKEN}model.skops changed",
    change_metadata: f"{BROKEN}MLmodel changed",
    change_evidence: f"{BROKEN}governance/reports/evidence/evaluate.json changed",
    add: f"{BROKEN}sitecustomize.py added",
    add_for_git: f"{BROKEN}.gitattributes added",
    add_git_folder: f"{BROKEN}.git/config added",
    remove: f"{BROKEN}requirements.txt missing",
    remove_model: f"{BROKEN}model.skops missing",
    rename: f"{BROKEN}Conda.yaml added; conda.yaml missing",
    swap: f"{BROKEN}conda.yaml, python_env.yaml changed",
    unsign: "the registry has no signature",
    spoil_signature: "its signature is not the one that the ledger names",
}


OFTEN = (change_model, add_git_folder)  # the others at night


@pytest.mark.parametrize(
    "mutate",
    [
        pytest.param(one, id=one.__name__, marks=() if one in OFTEN else pytest.mark.nightly)
        for one in MUTATIONS
    ],
)
def test_trap_27_a_changed_model_is_neither_promoted_nor_loaded(
    contested: BakedProject, tmp_path: Path, mutate: Callable[[Path], None]
) -> None:
    cause = MUTATIONS[mutate]
    # Given a registry in which somebody changed a file of the challenger
    mutate(artifacts(contested, 2))
    # When it is promoted, then it is refused
    done = contested.governance("promote", code=None)
    registry.refused(done, "version 2 is refused", cause)
    assert registry.actions(contested)[-1] == "approved 2"
    # And when the same happened to the champion, then it gives no prediction
    mutate(artifacts(contested, 1))
    rows = contested.path / "data" / "raw.parquet"
    out = tmp_path / "out.csv"
    done = contested.governance("predict", str(rows), "--output", str(out), code=None)
    registry.refused(done, "version 1 is refused", cause)
    assert not out.exists()
    assert not (contested.path / "data" / "prediction_log").exists()


def test_trap_31_the_evidence_has_a_durable_copy_in_the_registry(registered: BakedProject) -> None:
    # Given a registered model, when its files in the registry are looked at
    sealed = artifacts(registered, 1) / "bundle" / "governance"
    # Then the evidence of every gate, cards, configuration and lock are among them, and signed
    there = {path.relative_to(sealed).as_posix() for path in sealed.rglob("*.json")}
    committed = {f"reports/evidence/{path.name}" for path in _evidence(registered)}
    assert len(committed) == 8
    assert committed | {"statement.json", "reports/decision.json", "code.json"} <= there
    assert (sealed / "dvc.lock").is_file()
    # And the ledger names the signature over all of that
    [event] = registry.ledger(registered)
    signature = (artifacts(registered, 1) / "signature" / "model.sig").read_bytes()
    assert event["details"]["signature"] == f"sha256:{hashlib.sha256(signature).hexdigest()}"
    assert {one["name"] for one in _signed(signature)} >= {
        f"governance/{name}" for name in committed
    }


def _evidence(project: BakedProject) -> list[Path]:
    return sorted((project.path / "reports" / "evidence").glob("*.json"))


def _signed(signature: bytes) -> list[dict[str, str]]:
    """The files that a signature in the format of OpenSSF model signing is about."""
    payload = json.loads(signature)["dsseEnvelope"]["payload"]
    return json.loads(base64.b64decode(payload))["predicate"]["resources"]


def test_trap_26_a_signature_of_another_version_or_key_does_not_hold(
    contested: BakedProject,
) -> None:
    # Given a challenger whose files and signature are those of the champion, both in order
    mine, other = artifacts(contested, 2), artifacts(contested, 1)
    saved = contested.path.parent / "saved"
    shutil.copytree(mine, saved)
    for name in ("bundle", "signature"):
        shutil.rmtree(mine / name)
        shutil.copytree(other / name, mine / name)
    # When it is promoted, then the ledger says that another signature was made for it
    done = contested.governance("promote", code=None)
    registry.refused(done, "version 2 is refused", "not the one that the ledger names")
    # And when the key that signed it is revoked, then its signature does not hold any more
    shutil.rmtree(mine)
    shutil.copytree(saved, mine)
    key = json.loads(contested.read(registry.APPROVERS))["model_keys"][0]
    registry.approvers(contested, model_keys=[key | {"until": "2026-01-01"}])
    registry.save(contested, "Revoked", author="Risk <risk@example.org>")
    done = contested.governance("promote", code=None)
    registry.refused(done, "version 2 is refused", "lists no valid key under model_keys")


def test_rollback_works_when_the_newest_version_is_corrupt(contested: BakedProject) -> None:
    # Given a new champion whose files are spoilt, and one before that is whole
    contested.governance("promote")
    remove_model(artifacts(contested, 2))
    # When it is rolled back, then the one before is champion, as it was
    contested.governance("rollback", "--reason", "The file is broken")
    assert registry.states(contested) == {1: "champion", 2: "quarantined"}


@pytest.mark.nightly
def test_rollback_skips_damaged_or_non_compliant_versions(
    contested: BakedProject,
) -> None:
    # Given a champion before whose files are spoilt, when the new one is rolled back
    contested.governance("promote")
    saved = contested.path.parent / "saved"
    shutil.copytree(artifacts(contested, 1), saved)
    change_model(artifacts(contested, 1))
    done = contested.governance("rollback", "--reason", "It is wrong", code=None)
    # Then there is nothing to go back to, and it is said why
    registry.refused(done, "nothing to roll back to", "version 1 is refused", "signature")
    # And where its files are whole but today's policy denies it, the same
    folder = artifacts(contested, 1)
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    policy = contested.read("conf/policy/base.yaml")
    strict = policy.replace(registry.LIMIT, registry.STRICT)
    contested.write("conf/policy/base.yaml", strict)
    registry.save(contested, "Stricter", author="Risk <risk@example.org>")
    done = contested.governance(*("rollback", "--reason", "It is wrong", "--to", "1"), code=None)
    registry.refused(done, "version 1 is denied under today's policy", "evaluate.roc_auc")
    assert registry.states(contested)[2] == "champion"

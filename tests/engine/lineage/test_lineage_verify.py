"""`governance lineage verify`: each link of the chain, tampered with, is broken by name."""

from __future__ import annotations

import json

import pytest
import registry
from baked import BakedProject

pytestmark = pytest.mark.slow

LOCAL = ["source", "raw", "split", "model", "predictions", "evidence", "decision"]
WHOLE = [*LOCAL, "bundle", "ledger", "alias"]
Links = dict[str, tuple[str, str]]

# Runs each case in one process: spoil, verify, put back. A case is a name and Python.
DRIVER = """import json, os, sys
from pathlib import Path
from governed_ml.core.process_settings import quiet
from governed_ml.core.repository import git
from governed_ml.lineage.verify import verify
quiet()
base, found = Path.cwd(), {}

def append(name, text):
    before = Path(name).read_bytes()
    Path(name).write_bytes(before + text.encode())
    return lambda: Path(name).write_bytes(before)

def replace(name, old, new):
    before = Path(name).read_bytes()
    assert old.encode() in before, old
    Path(name).write_bytes(before.replace(old.encode(), new.encode(), 1))
    return lambda: Path(name).write_bytes(before)

def gone(name):
    Path(name).rename(name + ".away")
    return lambda: Path(name + ".away").rename(name)

def new(name):
    Path(name).write_text("x")
    return lambda: Path(name).unlink()

def moved(alias, number):
    from governed_ml.registry.versions import Registry, model_name
    registry = Registry(model_name(base))
    before = registry.aliases()[alias]
    registry.point(alias, number)
    return lambda: registry.point(alias, before)

def cut(events):
    ref = "refs/heads/governance-ledger"
    tip = git(base, "rev-parse", ref)
    git(base, "update-ref", ref, f"{tip}~{events}")
    return lambda: git(base, "update-ref", ref, tip)

for name, spoil in json.loads(sys.argv[1]).items():
    back = eval(spoil)
    found[name] = [list(link) for link in verify(base, None)]
    back()
print(json.dumps(found))
"""


def tried(project: BakedProject, cases: dict[str, str]) -> dict[str, Links]:
    """Case → link → state and what is said."""
    command = ["python", "-c", DRIVER, json.dumps(cases)]
    found = json.loads(project.run(command).stdout)
    return {case: {name: (state, said) for name, state, said in links}
            for case, links in found.items()}  # fmt: skip


def broken(links: Links) -> dict[str, str]:
    """Link → why, of those that do not hold."""
    return {name: said for name, (state, said) in links.items() if state in ("broken", "unknown")}


LOCKED = r"data/raw.parquet\n      hash: md5\n      md5: "
TAMPERED = {
    "raw": ("append('data/raw.parquet', ' ')", "raw", "data/raw.parquet, as"),
    "a feature": ("append('data/split/train.parquet', ' ')", "split", "data/split/train.parquet"),
    "a group": ("append('data/sensitive/test.parquet', ' ')", "split", "data/sensitive/test"),
    "a file more": ("new('data/split/more.parquet')", "split", "data/split is"),
    "the model": ("append('models/model.skops', ' ')", "model", "models/model.skops does"),
    "predictions": ("append('data/predictions.parquet', ' ')", "predictions", "predictions"),
    "a number": (
        "replace('reports/evidence/evaluate.json', '\"seconds\": ', '\"seconds\": 1')",
        "evidence",
        "evaluate.json does not match its digest in dvc.lock",
    ),
    "the policy": (
        "replace('conf/policy/base.yaml', 'block: 0.65', 'block: 0.60')",
        "decision",
        "the policy's digest is",
    ),
    "the decision": (
        'replace(\'reports/decision.json\', \'"reason": "0"\', \'"reason": "1"\')',
        "decision",
        "reports/decision.json says allow",
    ),
    "the lock": (
        f"replace('dvc.lock', '{LOCKED}', '{LOCKED}0')",
        "raw",
        "data/raw.parquet does not match its digest in dvc.lock",
    ),
}


def test_each_link_is_broken_by_name(finished: BakedProject) -> None:
    # Given a line that was allowed and is not registered
    done = finished.governance("lineage", "verify", "--json")
    # Then its chain holds, up to the decision, where it says that it ends
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)}
    assert states == dict.fromkeys(LOCAL, "ok") | {"registered": "end"}
    # When one link is tampered with, then that one is broken, and what is at fault is named
    found = tried(finished, {case: spoil for case, (spoil, _, _) in TAMPERED.items()})
    for case, (_, link, cause) in TAMPERED.items():
        why = broken(found[case])
        assert link in why, (case, why)
        assert cause in why[link], (case, why)
        before = WHOLE[: WHOLE.index(link)]
        assert not set(before) & set(why), (case, why)
        assert found[case][link][0] == "broken"
    # And that is exit code 1
    (finished.path / "data/predictions.parquet").write_bytes(b"")
    finished.governance("lineage", "verify", code=1)


def test_missing_data_make_a_link_unknown_not_broken(finished: BakedProject) -> None:
    # Given a clone without the data
    for name in ("data/raw.parquet", "models/model.skops"):
        (finished.path / name).unlink()
    done = finished.governance("lineage", "verify", "--json", code=2)
    # Then it cannot answer, and says what to bring
    links = {one["name"]: one for one in json.loads(done.stdout)}
    assert links["raw"]["state"] == links["model"]["state"] == links["evidence"]["state"]
    assert links["raw"]["state"] == "unknown"
    assert "dvc pull" in links["model"]["said"]
    assert links["split"]["state"] == "ok"


@pytest.mark.nightly
def test_a_released_chain_is_broken_by_name(contested: BakedProject) -> None:
    # Given version 1 as champion and version 2, approved, on disk
    bundle = registry.artifacts(contested, 2) / "bundle"
    card = bundle / "governance" / "reports" / "model_card.md"
    cases = {
        "nothing": "lambda: None",
        "bundle": f"append({str(card)!r}, 'better')",
        "ledger": "cut(1)",
        "alias": "moved('champion', 2)",
    }
    found = tried(contested, cases)
    # Then the whole chain holds, and each link that is tampered with is broken by name
    assert {name: state for name, (state, _) in found["nothing"].items()} == dict.fromkeys(
        WHOLE, "ok"
    )
    assert "alias challenger" in found["nothing"]["alias"][1]
    for link, cause in (
        ("bundle", "model_card.md changed"),
        ("ledger", "event"),
        ("alias", "alias champion names version 2, the ledger says version 1"),
    ):
        assert cause in broken(found[link])[link]
        assert found[link][link][0] == "broken"
    assert not set(LOCAL) & set(broken(found["bundle"]))
    # And a version that does not lie here cannot be answered for
    done = contested.governance("lineage", "verify", "1", code=2)
    assert "version 1 is not checked out here" in done.stdout

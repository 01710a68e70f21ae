"""What earlier engines sealed stays readable: one archive for each release, packed by `seal.py`."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from governed_ml.core.evidence import collect, digest
from governed_ml.core.files import digest_of, read_json
from governed_ml.core.problem import Problem, Unusable
from governed_ml.ledger.approvers import Approvers
from governed_ml.ledger.events import Entry, Event
from governed_ml.ledger.lifecycle import Version, trace
from governed_ml.pipeline import models
from governed_ml.policy.decision import PATH, Decision
from governed_ml.policy.judge import judge
from governed_ml.registry.release import bundle
from governed_ml.registry.release.bundle import Checked

HERE = Path(__file__).parent
RELEASES = sorted(path.stem for path in HERE.glob("*.zip"))
LARGEST = 300_000  # bytes of an archive


class Store:
    """A registry with the files of one release."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def download(self, _run_id: str, where: str, target: Path) -> Path:
        """Copy a folder of the release."""
        return Path(shutil.copytree(self.folder / where, target / where))


class Sealed:
    """A release as the ledger and the registry have it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        event = Event.model_validate_json((folder / "event.json").read_bytes())
        self.event = event
        self.version: Version = next(
            iter(trace([Entry("0" * 40, event, signed=False)]).versions.values())
        )
        listed = yaml.safe_load((folder / "approvers.yaml").read_text(encoding="utf-8"))
        self.approvers = Approvers.model_validate(listed)

    def fetch(self, target: Path) -> Checked:
        """Fetch and check it as `promote` and `predict` do."""
        store: bundle.Registry = Store(self.folder)  # pyright: ignore[reportAssignmentType]
        return bundle.fetch(store, self.version, self.approvers, target)


@pytest.fixture(params=RELEASES)
def sealed(request: pytest.FixtureRequest, tmp_path: Path) -> Sealed:
    """One release, unpacked."""
    with zipfile.ZipFile(HERE / f"{request.param}.zip") as archive:
        archive.extractall(tmp_path / "release")
    return Sealed(tmp_path / "release")


def test_each_release_has_a_small_archive() -> None:
    known = {"0.1.0", "0.2.0", "0.3.0", "0.4.0"}  # 0.1.0: before the engine was a library
    assert known <= set(RELEASES)
    assert max((HERE / f"{one}.zip").stat().st_size for one in RELEASES) < LARGEST


def test_a_sealed_release_is_verified_with_its_listed_key(sealed: Sealed, tmp_path: Path) -> None:
    # Given what an earlier engine signed, when it is fetched, then signature, statement, ledger and
    # model agree
    checked = sealed.fetch(tmp_path / "fetched")
    assert checked.statement.subject() == sealed.event.subject
    assert checked.statement.version == sealed.event.version
    # And an event keeps its one spelling, on which the next one hangs
    assert (sealed.folder / "event.json").read_text("utf-8") == sealed.event.canonical()


def test_evidence_of_an_earlier_engine_is_sealed_with_its_policy(
    sealed: Sealed, tmp_path: Path
) -> None:
    # Given the records of an earlier engine; those before 0.3 wrote the policy into params.yaml
    checked = sealed.fetch(tmp_path / "fetched")
    own_file = (checked.records / "policy.json").is_file()
    assert own_file == (sealed.event.subject.get("engine_version", "0.1.0") >= "0.3.0")
    scratch = Path(shutil.copytree(checked.records, tmp_path / "scratch"))
    (scratch / "models").mkdir()
    shutil.copyfile(checked.model, scratch / "models" / "model.skops")
    # When they are laid into a new release, then its policy is the same
    bundle.build(scratch, tmp_path / "built")
    assert (tmp_path / "built" / bundle.RECORDS / "policy.json").exists() == own_file
    assert Checked(tmp_path / "built", checked.statement).params() == checked.params()
    if own_file:
        return
    # And a second policy beside it is refused: nobody could say which one counted
    policy = {"policy": checked.params().policy.model_dump(mode="json")}
    (tmp_path / "built" / bundle.RECORDS / "policy.json").write_text(json.dumps(policy))
    with pytest.raises(
        Problem, match=r"policy\.json was changed after the stage `compose` wrote it"
    ):
        Checked(tmp_path / "built", checked.statement).params()


def test_a_changed_file_of_a_sealed_release_is_refused(sealed: Sealed, tmp_path: Path) -> None:
    params = sealed.folder / "bundle" / "governance" / "params.yaml"
    params.write_bytes(params.read_bytes() + b"\n")
    with pytest.raises(Problem, match=r"params\.yaml changed"):
        sealed.fetch(tmp_path / "fetched")


def test_sealed_records_are_read_with_their_original_digests(
    sealed: Sealed, tmp_path: Path
) -> None:
    # Given the records of a release, when today's engine reads them
    checked = sealed.fetch(tmp_path / "fetched")
    decision = Decision.model_validate(read_json(checked.records / PATH))
    evidence = collect(checked.records)
    # Then nothing is missing or has another digest than it was sealed with
    assert decision.digest() == checked.statement.decision
    assert {gate: found for gate, found in evidence.items() if isinstance(found, Unusable)} == {}
    assert {gate: digest(gate, checked.records) for gate in evidence} == decision.subject.evidence
    policy = checked.params().policy
    assert digest_of(policy.model_dump(mode="json")) == checked.statement.policy


def test_a_sealed_release_is_judged_as_it_was(sealed: Sealed, tmp_path: Path) -> None:
    # Given the evidence and the policy of a release, when they are judged today
    checked = sealed.fetch(tmp_path / "fetched")
    before = Decision.model_validate(read_json(checked.records / PATH))
    again = judge(checked.params(), checked.evidence(), sealed.event.moment.date())
    # Then every rule has the verdict that it had
    assert before.verdict == "allow"
    assert {rule.id: rule.verdict for rule in again.rules} == {
        rule.id: rule.verdict for rule in before.rules
    }


@pytest.mark.slow
def test_the_model_of_a_sealed_release_scores(sealed: Sealed, tmp_path: Path) -> None:
    import pandas as pd

    # Given a release's model, and a row of the columns that its evidence names
    checked = sealed.fetch(tmp_path / "fetched")
    split = checked.evidence()["split"]
    assert not isinstance(split, Unusable)
    row = dict.fromkeys(split.body.numeric, 1.0) | dict.fromkeys(split.body.categorical, "none")
    # When it is loaded, then it has an answer
    with models.opened(checked.model) as model:
        score = model.predict_proba(pd.DataFrame([row]))[0]
    assert sum(score) == pytest.approx(1.0)

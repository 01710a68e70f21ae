"""Who may write to git and to the registry still cannot make a champion of what nobody approved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

import baked
import pytest
import registry
from baked import BakedProject

from governed_ml.core import repository

pytestmark = pytest.mark.slow

LEDGER = "refs/heads/governance-ledger"


def predict(project: BakedProject, *causes: str, code: int = 1) -> None:
    """Assert that there is no prediction, for these causes."""
    rows, out = str(project.path / "data" / "raw.parquet"), str(registry.home(project) / "out.csv")
    done = project.governance("predict", rows, "--output", out, code=None)
    registry.refused(done, *causes, code=code)


def write(project: BakedProject, *events: str) -> None:
    """Append events as somebody does who may push, without the command line, and push them."""
    text = "".join(
        f"ledger.append(Path(), '{event}', version=1, subject=subject, details=details)\n"
        for event in events
    )
    main = baked.git(project.path, "rev-parse", "HEAD")
    script = (
        "from governed_ml.ledger import storage as ledger\n"
        "subject = ledger.read(Path())[0].event.subject\n"
        f"details = {{'missing': [], 'from': None, 'protected': '{main}'}}\n{text}"
    )
    registry.python(project, script)
    baked.git(project.path, "push", "--quiet", "origin", LEDGER)


def test_trap_16_an_unapproved_promotion_is_void_for_every_command(
    registered: BakedProject,
) -> None:
    # Given a pending version, and a ledger into which somebody wrote "approved" and "promoted"
    write(registered, "approved", "promoted")
    registry.python(registered, "client.set_registered_model_alias(name, 'champion', '1')\n")
    # When anybody looks, then both events are void, and it is no champion
    predict(registered, "alias champion names version 1, the ledger says no version", "is void: ")
    said = registered.governance("ledger", "verify", code=1).stdout.replace("\n", " ")
    for cause in ("nobody approved it", "only a version that is approved can be promoted"):
        assert f"is void: {cause}" in said.replace(
            "it is illegal: version 1 is pending review: ", ""
        )
        assert any(cause in line for line in registry.status(registered, code=1)["differences"])
    # And reconcile does not make one of it
    registered.governance("reconcile", "--apply")
    assert registry.states(registered) == {1: "pending_review"}
    predict(registered, "there is no champion yet")


@pytest.mark.nightly
def test_a_model_that_training_does_not_give_is_not_registered(
    contested: BakedProject,
) -> None:
    # Given a model that was fitted on the test rows too, with evidence measured on it
    script = """
import json, sys
from pathlib import Path
import pandas as pd
import skops.io
from governed_ml.core import model_file, tables
train, test = (pd.read_parquet(path) for path in (tables.TRAIN, tables.TEST))
model = model_file.load(model_file.PATH.read_bytes())
whole = pd.concat([train, test, test])
model.fit(whole[list(model.feature_names_in_)], whole[tables.TARGET])
Path(model_file.PATH).chmod(0o644)
model_file.PATH.write_bytes(skops.io.dumps(model))
path = Path("reports/evidence/train.json")
found = json.loads(path.read_text("utf-8"))
found["subject"]["model"] = model_file.digest()
path.write_text(json.dumps(found), "utf-8")
"""
    contested.run(["python", "-c", script])
    for stage in ("evaluate", "drift", "fairness", "explain", "document", "decide"):
        contested.governance("stage", stage)
    contested.run(["dvc", "commit", "--force", "--quiet"])
    contested.run(["dvc", "push", "--quiet"])
    registry.save(contested, "Better")
    contested.governance("gate")
    # When it is registered, then training again tells
    done = contested.governance("register", code=None)
    registry.refused(done, "the model was not trained on this commit")


def test_a_git_filter_in_a_clone_cannot_change_the_policy(registered: BakedProject) -> None:
    # Given a clone whose own attributes rewrite the policy whenever git writes it out
    (registered.path / ".git" / "info").mkdir(exist_ok=True)
    attributes = registered.path / ".git" / "info" / "attributes"
    attributes.write_text("conf/policy/*.yaml filter=mine\n", encoding="utf-8")
    swap = "sed s/model-owner/risk-owner/"
    baked.git(registered.path, "config", "filter.mine.smudge", swap)
    # When the wrong role approves, then the policy is that of the protected branch
    said = registry.approve(registered, 1, "risk", code=1)
    assert "the policy wants model-owner, not risk-owner" in said


@pytest.mark.nightly
def test_an_older_commit_than_the_champions_is_not_promoted(contested: BakedProject) -> None:
    # Given a champion of the newest commit, and an approval for a version of an older one
    contested.governance("promote")
    older = baked.git(contested.path, "rev-parse", "HEAD~1")
    baked.git(contested.path, "checkout", "--quiet", older)
    contested.run(["dvc", "checkout", "--quiet"])
    done = contested.governance("register", code=None)
    assert done.returncode == 0, done.stderr
    # When somebody wants to approve it, then nobody could say whose work is new in it
    said = registry.approve(contested, 3, code=1)
    assert "does not descend from the champion's commit" in said


@pytest.mark.nightly
def test_githubs_own_addresses_do_not_hide_an_author(contested: BakedProject) -> None:
    # Given a champion, and a commit after it under the address that GitHub gives to the owner
    contested.governance("promote")
    text = contested.read(registry.ESTIMATOR).replace("learning_rate: 0.2", "learning_rate: 0.15")
    contested.write(registry.ESTIMATOR, text)
    contested.run(["dvc", "repro", "--quiet"])
    contested.run(["dvc", "push", "--quiet"])
    hidden = "Somebody <7+Owner-at-GitHub@users.noreply.github.com>"
    registry.save(contested, "Faster", author=hidden)
    contested.governance("register")
    # When the owner approves it, then that is the author
    assert "wrote or registered what is to be approved" in registry.approve(contested, 3, code=1)


def test_events_that_the_remote_lost_are_not_pushed_again(contested: BakedProject) -> None:
    # Given a remote whose ledger somebody cut
    baked.git(contested.path, "push", "--quiet", "--force", "origin", f"{LEDGER}~1:{LEDGER}")
    # When anybody looks or moves, then it is said, and reconcile does not make it good
    for words in (["promote"], ["reconcile", "--apply"]):
        registry.refused(contested.governance(*words, code=None), "origin no longer has event 5")
    assert "origin no longer has event 5" in registry.status(contested, code=1)["differences"][0]


@pytest.mark.nightly
def test_status_reports_a_champion_whose_files_are_missing(contested: BakedProject) -> None:
    # Given a champion whose model somebody deleted in the registry
    (registry.artifacts(contested, 1) / "bundle" / "model.skops").unlink()
    # When anybody looks, then status tells
    [found] = registry.status(contested, code=1)["differences"]
    assert "the champion's files: version 1 is refused" in found
    assert "model.skops missing" in found
    # And a new version cannot be compared with it, so it is no challenger
    registry.another_model(contested, "0.3")
    done = contested.governance("register", code=1)
    assert "evaluate.champion" in done.stdout
    event = registry.ledger(contested)[-1]
    assert (event["action"], event["version"]) == ("quarantined", 3)
    why = event["decision"]["rules"]["evaluate.champion"]
    assert why.startswith("insufficient: not compared with the champion: version 1 is refused")
    assert "version 3 is quarantined" in registry.approve(contested, 3, code=1)


@pytest.mark.nightly
def test_a_champion_that_is_lost_for_good_is_replaced_by_a_waiver(contested: BakedProject) -> None:
    # Given a champion whose files are gone for good, and a risk owner who decides to go on
    (registry.artifacts(contested, 1) / "bundle" / "model.skops").unlink()
    policy = contested.read("conf/policy/base.yaml")
    why = "reason: the files of version 1 are lost, approved_by: '@risk', expires: 2099-01-01"
    waiver = f"waivers: [{{rule: evaluate.champion, {why}}}]"
    contested.write("conf/policy/base.yaml", policy.replace("waivers: []", waiver))
    registry.another_model(contested, "0.3")
    # When a version is registered and approved, then it can replace the champion
    contested.governance("register")
    registry.approve(contested, 3)
    contested.governance("promote", "3")
    assert registry.states(contested, code=0)[3] == "champion"
    # And the ledger says that nobody compared them
    event = registry.ledger(contested)[-1]
    assert "version 1 is refused" in event["details"]["not_compared"]
    assert event["decision"]["rules"]["evaluate.champion"].startswith("waived: not compared")


UNDER = {  # file, what it has, what it gets, what the refusal says
    "confidence": (
        *("conf/policy/base.yaml", "confidence: 0.95", "confidence: 0.999"),
        "measured_under.policy.confidence: it was measured under 0.95, and main now asks for 0.999",
    ),
    "region": (
        *("conf/config.yaml", "region: EU", "region: US"),
        "measured_under.deployment.region: it was measured under EU, and main now asks for US",
    ),
}


def ask(project: BakedProject, what: str) -> str:
    """Have the protected branch ask for something else; return how a refusal begins."""
    file, old, new, words = UNDER[what]
    text = project.read(file)
    assert old in text
    project.write(file, text.replace(old, new, 1))
    registry.save(project, f"Another {what}", author="Risk <risk@example.org>")
    return words


@pytest.mark.nightly
def test_a_version_measured_with_other_settings_is_not_promoted(
    contested: BakedProject,
) -> None:
    # Given an approved challenger, when main asks for one thing after another
    for what in UNDER:
        words = ask(contested, what)
        # Then it is not promoted: by what it was measured under, and what is asked
        registry.refused(contested.governance("promote", code=None), "denied under", words)
        baked.git(contested.path, "revert", "--no-edit", "HEAD")
        baked.git(contested.path, "push", "--quiet", "origin", "main")
    # And when main asks again for what it was measured under, then it is promoted
    contested.governance("promote")
    assert registry.states(contested)[2] == "champion"
    # And going back works all the same, and the ledger says what was measured otherwise
    ask(contested, "confidence")
    done = contested.governance("rollback", "--reason", "Complaints from customers")
    assert "note: measured_under.policy.confidence" in done.stderr
    event = registry.ledger(contested)[-1]
    assert list(event["details"]["measured_otherwise"]) == ["measured_under.policy.confidence"]


@pytest.mark.nightly
def test_a_version_measured_with_other_settings_is_denied_when_judged_again(
    contested: BakedProject,
) -> None:
    words = ask(contested, "confidence")
    done = contested.governance("rejudge", code=1, COLUMNS="400")
    assert words.partition(":")[0] in done.stdout
    assert "deny" in done.stdout


def test_commands_that_only_show_the_ledger_use_no_remote(
    contested: BakedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project with a champion, and a remote that nobody may ask
    def asked(*_: object) -> NoReturn:
        raise AssertionError("the remote was asked")

    monkeypatch.setattr(repository, "protected", asked)
    # When its ledger, its lineage and its page are shown, then all are, without it
    for words in (("ledger", "show"), ("lineage", "show", "1"), ("page",)):
        contested.call(*words)


@pytest.mark.nightly
def test_a_forged_anchor_is_fixed_from_the_remote(
    contested: BakedProject,
) -> None:
    # Given tags that name events which nobody has
    for value in ("oops", f"9 {'a' * 40}", f"0 {'a' * 40}"):
        tag = f"client.set_model_version_tag(name, '1', 'ledger_head', '{value}')\n"
        registry.python(contested, tag)
        # When anybody looks, then it is found, and correct on request
        assert registry.status(contested, code=1)["differences"]
        contested.governance("reconcile", "--apply")
        assert registry.status(contested)["differences"] == []
    contested.governance("promote")


@pytest.mark.nightly
def test_version_numbers_of_a_deleted_registered_model_are_not_reused(
    contested: BakedProject,
) -> None:
    # Given a registered model that somebody deleted, with all its versions
    registry.python(contested, "client.delete_registered_model(name)\n")
    found = registry.status(contested, code=1)["differences"]
    assert any("version 1 is gone from the registry" in line for line in found)
    contested.governance("reconcile", "--apply")
    # When another model is registered and approved, then it has a number that is not in use
    registry.another_model(contested, "0.3")
    contested.governance("register")
    assert registry.ledger(contested)[-1]["version"] == 3


def test_an_event_that_would_be_void_is_not_written(contested: BakedProject) -> None:
    # Given a list of keys that sign events, and a git that signs with another one
    registry.sign_events(contested, "ci")
    registry.sign_events(contested, "other", listed=False)
    before = registry.ledger(contested)
    # When the challenger is promoted, then the event is taken back, and nobody else is stopped
    done = contested.governance("promote", code=None)
    assert (
        done.returncode == 0
        or "signed by a key that governance/approvers.yaml does not list" in done.stderr
    )
    if done.returncode:
        assert registry.ledger(contested) == before
    key = registry.home(contested) / "keys" / "ci"
    baked.git(contested.path, "config", "user.signingkey", str(key))
    contested.governance("promote")
    assert registry.states(contested)[2] == "champion"


def test_nothing_is_recorded_if_the_remote_refuses_the_event(contested: BakedProject) -> None:
    # Given a remote that refuses
    hook = registry.home(contested) / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    before = registry.ledger(contested)
    # When the challenger is promoted, then nothing is recorded, and that is said
    done = contested.governance("promote", code=None)
    registry.refused(done, "nothing is recorded", "not today", code=2)
    assert registry.ledger(contested) == before
    assert registry.states(contested)[2] == "approved"
    # And when it takes the event and only its answer is lost, then the champion is champion
    shutil.move(hook, hook.with_name("post-receive"))
    lost = "#!/bin/sh\nkill -9 $PPID\n"
    hook.with_name("post-receive").write_text(lost, encoding="utf-8")
    contested.governance("promote")
    assert registry.states(contested)[2] == "champion"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("people: []\npeople: []\n", "people"),
        ("peeple: []\n", "did you mean people?"),
        *(
            pytest.param(*one, marks=pytest.mark.nightly)
            for one in (
                (
                    "ledger: [{name: ci, key: ssh-ed25519AAAA0000000000000000}]\n",
                    "not a public SSH key",
                ),
                ("ledger: [{name: ci, key: ssh-ed25519 AAAAC3Nz}]\n", "not a public SSH key"),
                (
                    "model_keys: [{key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA}]\n",
                    "not a public key in PEM format",
                ),
                ("people: everybody\n", "people"),
                ("people: [\n", "not valid YAML"),
            )
        ),
    ],
)
def test_an_invalid_approvers_file_is_reported_in_one_line(
    registered: BakedProject, text: str, cause: str
) -> None:
    # Given a file of approvers with something wrong on the protected branch
    registered.write(registry.APPROVERS, text)
    registry.save(registered, "Wrong", author="Risk <risk@example.org>")
    # When the version is promoted, then nobody can judge, and it is said where
    done = registered.governance("promote", "1", code=None)
    line = registry.refused(done, "governance/approvers.yaml on main", cause, code=2)
    assert len(line) < 500
    assert json.dumps(str(Path.home())) not in line

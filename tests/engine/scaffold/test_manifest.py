"""What is generated and governed is compared offline with the manifest that the engine ships."""

from __future__ import annotations

import json
from collections.abc import Callable

import baked
import pytest
import scaffold_manifest
import yaml

from governed_ml.core.problem import Problem
from governed_ml.scaffold import manifest
from governed_ml.scaffold.dvc_yaml import written_by_the_engine

CI, GATES = ".github/workflows/ci.yml", ".github/workflows/governance.yml"
Tree = dict[str, bytes]


@pytest.fixture(scope="module")
def generated(project: baked.BakedProject) -> Tree:
    """The files of a generated project."""
    return {name: (project.path / name).read_bytes() for name in project.files}


def found(tree: Tree, *, all_of_it: bool = True) -> dict[str, str]:
    """Place → reason of what is not as the template has it."""
    every = manifest.outside(list(tree), tree.get)
    return {one.place: one.reason for one in every if all_of_it or one.refused}


def edited(tree: Tree, name: str, old: str, new: str) -> Tree:
    """The files with another text in one of them."""
    assert old in tree[name].decode()
    return tree | {name: tree[name].decode().replace(old, new).encode()}


def test_the_manifest_is_that_of_the_template() -> None:
    # Given the manifest that is shipped, when it is made again, then it is the same
    shipped = manifest.manifest()
    again = scaffold_manifest.made(shipped["files"])
    assert again == shipped, "the template changed: run `python tasks.py manifest`"
    # And it has every workflow of the template, every hook and every stage
    workflows = {path.name for path in (baked.TEMPLATE / ".github/workflows").iterdir()}
    assert {f"{manifest.WORKFLOWS}{name}" for name in workflows} <= shipped["files"].keys()
    assert len(shipped["stages"]) == 11
    assert {"ruff-check", "scaffold", "pushed"} <= shipped["hooks"]["local"].keys()


def test_a_release_keeps_what_it_accepts() -> None:
    # Given a release, when the template changes after it, then both are accepted
    released = scaffold_manifest.made({CI: ["a"]}, release=True)["files"][CI]
    assert released[1:] == ["a"]
    later = scaffold_manifest.made({CI: ["b", *released]})["files"][CI]
    assert later == [released[0], *released]


def test_a_generated_project_is_as_the_manifest_has_it(generated: Tree) -> None:
    # Given a project, when it is compared, then nothing is found, whatever its line ends
    assert found(generated) == {}
    windows = {name: content.replace(b"\n", b"\r\n") for name, content in generated.items()}
    assert found(windows) == {}


EDITS: dict[str, tuple[Callable[[Tree], Tree], str, str]] = {
    "workflow": (
        lambda tree: edited(tree, GATES, "governance gate", "echo"),
        GATES,
        "differs from this engine's template",
    ),
    "workflow-gone": (
        lambda tree: {name: one for name, one in tree.items() if name != CI},
        CI,
        "is missing",
    ),
    "access-action": (
        lambda tree: edited(tree, ".github/actions/data-access/action.yml", "chmod 700", "ls"),
        ".github/actions/data-access/action.yml",
        "differs from this engine's template",
    ),
    "file-beside-an-access-action": (
        lambda tree: tree | {".github/actions/data-access/run.sh": b"echo\n"},
        ".github/actions/data-access/run.sh",
        "is not in the template",
    ),
    "job-that-poses": (
        lambda tree: tree | {".github/workflows/o.yml": b"jobs: {a: {name: decision}}\n"},
        ".github/workflows/o.yml",
        "has a job that reports as 'decision', the name of a required check",
    ),
    "job-that-poses-as-the-hooks": (
        lambda tree: (
            tree | {".github/workflows/o.yml": b'jobs: {a: {name: "hooks, types, tests"}}\n'}
        ),
        ".github/workflows/o.yml",
        "has a job that reports as 'hooks, types, tests', the name of a required check",
    ),
    "job-with-a-made-up-name": (
        lambda tree: tree | {".github/workflows/o.yml": b"jobs: {a: {name: '${{ vars.X }}'}}\n"},
        ".github/workflows/o.yml",
        "has a job that reports as '${{ vars.X }}', the name of a required check",
    ),
    "workflow-that-cannot-be-read": (
        lambda tree: tree | {".github/workflows/o.yml": b"jobs: [\n"},
        ".github/workflows/o.yml",
        "is a workflow that is not readable YAML",
    ),
    "hook": (
        lambda tree: edited(tree, manifest.HOOKS, "governance check lineage", "echo"),
        f"{manifest.HOOKS} lineage",
        "differs from the template",
    ),
    "hook-gone": (
        lambda tree: edited(tree, manifest.HOOKS, "- id: notebooks", "- id: books"),
        f"{manifest.HOOKS} notebooks",
        "is missing",
    ),
    "every-hook-off": (
        lambda tree: edited(tree, manifest.HOOKS, "repos:", "exclude: .*\nrepos:"),
        manifest.HOOKS,
        "has a setting for all hooks that differs from the template",
    ),
    "command": (
        lambda tree: edited(tree, "dvc.yaml", "governance stage fairness", "python ours.py"),
        "dvc.yaml fairness",
        "differs from the template: cmd",
    ),
    "dependency": (
        lambda tree: edited(tree, "dvc.yaml", "      - data/sensitive # only", "      # only"),
        "dvc.yaml train",
        "differs from the template: deps",
    ),
    "frozen": (
        lambda tree: edited(tree, "dvc.yaml", "  decide:\n", "  decide:\n    frozen: true\n"),
        "dvc.yaml decide",
        "differs from the template: frozen",
    ),
    "stage-gone": (
        lambda tree: edited(tree, "dvc.yaml", "  drift:\n", "  drifts:\n"),
        "dvc.yaml drift",
        "is missing",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_trap_40_an_edited_gate_is_found(generated: Tree, name: str) -> None:
    # Given a project in which something that judges was edited, when it is compared
    edit, place, reason = EDITS[name]
    # Then that is found, with the reason
    assert found(edit(generated), all_of_it=False)[place] == reason


def stage(**values: object) -> Callable[[Tree], Tree]:
    """Add a stage of the team's to the pipeline."""

    def edit(tree: Tree) -> Tree:
        whole = yaml.safe_load(tree["dvc.yaml"])
        whole["stages"]["ours"] = {"cmd": "python ours.py"} | values
        return tree | {"dvc.yaml": yaml.safe_dump(whole).encode()}

    return edit


@pytest.mark.parametrize(
    "outs",
    [
        ["data/split"],
        ["data/split/test.parquet"],
        ["data"],
        ["reports"],
        [{"reports/evidence/ours.json": {"cache": False}}, "reports/evidence"],
        ["models/model.skops"],
        ["conf/policy/ours.yaml"],
        ["uv.lock"],
        ["governance/expectations/ours.json"],
        ["reports/${item}"],
        ["../elsewhere"],
        ["./data/raw.parquet"],
        ["."],
    ],
    ids=str,
)
def test_trap_40_a_stage_of_the_teams_writes_nothing_of_the_engines(
    generated: Tree, outs: list[object]
) -> None:
    # Given a stage that writes what a stage of the engine's writes or reads
    said = found(stage(outs=outs)(generated))
    # When it is compared, then it is found, with the path
    assert said.keys() == {"dvc.yaml ours"}
    assert "writes" in said["dvc.yaml ours"]


@pytest.mark.parametrize("key", ["metrics", "plots", "outs_no_cache"])
def test_outputs_of_every_kind_are_compared(key: str) -> None:
    # Given an output of another kind, when it is compared, then it is found
    engines = {"split": {"outs": ["data/split"]}}
    assert written_by_the_engine({key: ["data/split"]}, "", engines)
    inner = {"foreach": [1], "do": {key: ["data/split"]}}
    assert written_by_the_engine(inner, "", engines)
    assert written_by_the_engine({key: ["split"], "wdir": "data"}, "", engines)


def test_a_pipeline_in_another_folder_is_compared(generated: Tree) -> None:
    # Given a second dvc.yaml that writes what the engine reads
    text = b"stages: {ours: {cmd: echo, outs: [../conf/policy/x.yaml]}}\n"
    said = found(generated | {"more/dvc.yaml": text})
    # When it is compared, then it is found
    assert "writes conf/policy/x.yaml" in said["more/dvc.yaml ours"]


def test_the_teams_own_work_is_allowed(generated: Tree) -> None:
    # Given stages, hooks, actions and comments of the team's
    tree = stage(outs=["data/source/table.csv", "reports/ours/${item}.html"])(generated)
    hooks = yaml.safe_load(tree[manifest.HOOKS])
    hooks["repos"].append({"repo": "https://example.org/x", "rev": "1", "hooks": [{"id": "x"}]})
    own = {"id": "ours", "name": "ours", "entry": "ours", "language": "system"}
    hooks["repos"].append({"repo": "local", "hooks": [own]})
    tree[manifest.HOOKS] = yaml.safe_dump(hooks).encode()
    tree[".github/actions/deploy/action.yml"] = b"name: ours\n"
    described = yaml.safe_load(tree["dvc.yaml"])
    described["stages"]["train"]["desc"] = "ours"
    described["stages"]["train"]["deps"].reverse()
    tree["dvc.yaml"] = yaml.safe_dump(described).encode()
    # When they are compared, then nothing is found
    assert found(tree) == {}
    # And a workflow of the team's is no finding, and one for the risk owner to look at
    tree[".github/workflows/docs.yml"] = b"jobs: {docs: {steps: []}}\n"
    assert found(tree, all_of_it=False) == {}
    assert found(tree) == {
        ".github/workflows/docs.yml": "is a workflow that is not in the template"
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("dvc.yaml", "stages: [", "dvc.yaml is not readable YAML"),
        ("dvc.yaml", "stages: {train: 1}", "dvc.yaml has no stages"),
        (manifest.HOOKS, "", f"{manifest.HOOKS} is empty"),
        (manifest.HOOKS, "repos: [{repo: local}]", "a repository without hooks"),
        ("pyproject.toml", "[tool.governed-ml]\n", "names no package"),
    ],
)
def test_trap_46_an_unreadable_file_is_refused(
    generated: Tree, name: str, text: str, said: str
) -> None:
    # Given a file that cannot be read, when it is compared, then that says no
    with pytest.raises(Problem, match=said) as caught:
        found(generated | {name: text.encode()})
    assert caught.value.exit_code == 1


def test_the_check_names_file_reason_and_fix(bake_runnable: baked.Bake) -> None:
    # Given a project with an edited gate
    own = bake_runnable()
    own.governance("check", "scaffold", code=0)
    own.write(GATES, own.read(GATES).replace("governance gate", "echo"))
    # When the check runs, then one line says what is wrong and what to do
    done = own.governance("check", "scaffold", code=1)
    assert done.stderr.startswith(f"{GATES}: it differs from this engine's template; restore it")
    # And the command of the fix brings it back
    baked.git(own.path, "checkout", "--", GATES)
    own.governance("check", "scaffold", code=0)
    said = json.loads(own.governance("check", "--json", "scaffold", code=0).stdout)
    assert said["findings"] == []

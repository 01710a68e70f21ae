"""Compose `conf/` with Hydra into one validated configuration."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from typing import Any

from governed_ml.core.config import policy_files, yaml_scalars
from governed_ml.core.config.params import Params, parse
from governed_ml.core.config.policy_schema import Floor, Policy
from governed_ml.core.files import parse_yaml
from governed_ml.core.problem import Problem, explain_invalid, first_line

CONF = Path("conf")
GROUPS = ("data", "model", "split", "policy")
PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)  # Hydra: where the values go


def compose(conf: Path, overrides: list[str] | None = None) -> Params:
    """Compose and validate `conf/config.yaml`.

    Read the organisation's floor and check its digest.
    """
    values = _composed(conf, "config", overrides or [])
    yaml_scalars.require_plain(conf, () if overrides else _idle(conf))
    _require_own_groups(conf)
    return _parsed(conf, values, plain=not overrides)


def require_clear(conf: Path) -> None:
    """Refuse values that YAML misreads, and files that set values outside their own group."""
    yaml_scalars.require_plain(conf, _idle(conf))
    _require_own_groups(conf)


def compose_earlier(conf: Path) -> Params:
    """Compose the configuration of an earlier commit, without checks that were added since then."""
    return _parsed(conf, _composed(conf, "config", []))


def _idle(conf: Path) -> set[Path]:
    """Return the files in `conf/data` that belong to tables other than the one in use.

    Return an empty set if such a file could still be part of the configuration.
    """
    every = {path: yaml_scalars.content(conf, path) for path in conf.rglob("*.yaml")}
    tables = {path.stem: path for path in every if path.parent == conf / "data"}
    others = [name for path in {*every} - {*tables.values()} for name in _defaults(every[path])]
    todo = [name for group, name in _choices(conf).items() if group == "data"]
    if not todo or [name for name in others if "data" in name] != ["data"]:
        return set()
    used = set[str]()
    while todo:
        name = todo.pop()
        if name not in tables:
            return set()
        used.add(name)
        todo += [one for one in _defaults(every[tables[name]]) if one not in used]
    return {path for name, path in tables.items() if name not in used}


def _parsed(conf: Path, values: dict[str, Any], *, plain: bool = False) -> Params:
    """Validate a composed configuration; `plain`: no file sets values outside its group."""
    if isinstance(values["policy"], dict):
        values["policy"] = policy_files.with_lists(values["policy"], "conf/: policy")
    params = parse(values)
    _require_whole_policy(conf, params, plain=plain)
    floor = params.policy.floor
    if floor is None:
        return params
    policy = params.policy.model_copy(update={"floor": _read_floor(floor, conf)})
    return params.model_copy(update={"policy": policy})


def _composed(
    conf: Path, name: str, overrides: list[str], groups: tuple[str, ...] = GROUPS
) -> dict[str, Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not (conf / "config.yaml").is_file():
        raise Problem("conf/config.yaml is missing: restore it with git")
    try:
        with initialize_config_dir(str(conf.absolute()), version_base="1.3"):
            composed: Any = hydra_compose(name, overrides=overrides)
        for group in groups:
            if not OmegaConf.select(composed, group):
                raise Problem(
                    f"conf/config.yaml chooses no {group}: add `- {group}: NAME` under "
                    f"`defaults` there, and check that conf/{group}/NAME.yaml is not empty"
                )
        values: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise Problem(f"conf/ cannot be composed: {_in_words(conf, error)}") from error
    return values


def _in_words(conf: Path, error: Exception) -> str:
    """Describe Hydra's error and its place, without search paths and absolute paths."""
    from yaml import MarkedYAMLError

    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        name = mark.name.removeprefix(f"{conf.absolute().parent}/")
        return f"{name}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}; fix it"
    if isinstance(error, UnicodeDecodeError):
        return f"{_undecodable(conf)} is not UTF-8; save it as UTF-8"
    text = " ".join(str(error).split()).replace(f"{conf.absolute().parent}/", "")
    member = re.search(
        r"Could not find '([^']+)'(?: Available options in '[^']+': (.*?) Conf)?", text
    )
    if member:
        group, _, name = member[1].rpartition("/")
        there = [one for one in (member[2] or "").split() if one != policy_files.BASE]
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(there)}"
        if not there:
            hint = f"the groups are {', '.join(GROUPS)}"
        return (
            f"there is no conf/{group}/{name}.yaml ({hint}); correct `defaults` in conf/config.yaml"
        )
    said, _, key = text.partition(" full_key: ")
    key = key.partition(" object_type=")[0]
    return f"{key}: {said}" if key else first_line(ValueError(said))


def _undecodable(conf: Path) -> str:
    for path in sorted(conf.rglob("*.yaml")):
        try:
            path.read_text(encoding="utf-8")
        except ValueError:
            return path.relative_to(conf.parent).as_posix()
    return "a file"


def _require_whole_policy(conf: Path, params: Params, *, plain: bool) -> None:
    """Refuse a policy that was changed by anything other than the files in `conf/policy/`.

    Composing the policy alone takes as long as composing everything, so this is skipped if nothing
    else could have changed it.
    """
    name = params.policy.name
    if not (conf / "policy" / f"{name}.yaml").is_file():
        raise Problem(
            f"policy {name!r} is not in conf/policy/{name}.yaml: give the policy and its file the "
            "same name"
        )
    if plain and _only_chooses_policy(conf, name):
        return
    own = _composed(conf, f"policy/{name}", [], ("policy",))["policy"]
    if Policy.model_validate(policy_files.with_lists(own, "conf/: policy")) != params.policy:
        raise Problem(
            f"the composed policy differs from conf/policy/{name}.yaml: remove `policy:` from "
            "conf/config.yaml, because limits may be set in conf/policy/ only"
        )


def _only_chooses_policy(conf: Path, name: str) -> bool:
    """Return whether `conf/config.yaml` only names this policy and nothing else can change it."""
    rules = (yaml_scalars.content(conf, path) for path in (conf / "policy").rglob("*.yaml"))
    return _choices(conf).get("policy") == name and not any("${" in rule for rule in rules)


def _choices(conf: Path) -> dict[str, str]:
    """Return group → the file that `conf/config.yaml` names; empty if it contains anything else."""
    import yaml

    text = yaml_scalars.content(conf, conf / "config.yaml")
    try:
        config: Any = parse_yaml(text)
        named = [one for one in config["defaults"] if one != "_self_"]
        chosen = [(group, name) for one in named for group, name in one.items()]
    except (yaml.YAMLError, LookupError, TypeError, AttributeError):
        return {}  # composing it reports the error
    plain = all(isinstance(name, str) for _, name in chosen) and not PACKAGE.search(text)
    each = sorted(group for group, _ in chosen) == sorted(GROUPS)
    return dict(chosen) if plain and each and not {"policy", "hydra"} & {*config} else {}


def _require_own_groups(conf: Path) -> None:
    """Refuse a file that sets values outside its own group.

    Each group has its own owner, who would not review such a change.
    """
    for group in GROUPS:
        for path in sorted((conf / group).rglob("*.yaml")):
            text = yaml_scalars.content(conf, path)
            inner = ".".join(path.parent.relative_to(conf).parts)
            outside = [one for one in PACKAGE.findall(text) if one != inner]
            outside += [one for one in _defaults(text) if "@" in one or one.startswith("override")]
            if outside:
                raise Problem(
                    f"conf/{path.relative_to(conf).as_posix()}  sets values outside its group "
                    f"with `{outside[0]}`: it may set values of `{group}` only; set the others in "
                    "conf/config.yaml or in a file of their group"
                )


def _defaults(text: str) -> list[str]:
    """Return the files that a group's file is composed from; empty if it is invalid YAML."""
    import yaml

    if not re.search("defaults|\\\\", text):
        return []  # parsing YAML is the slow part
    try:
        values: Any = parse_yaml(text)
    except (ValueError, yaml.YAMLError):
        return []
    listed = values.get("defaults") if isinstance(values, dict) else None
    return [
        str(one)
        for entry in (listed if isinstance(listed, list) else [])
        for one in (entry if isinstance(entry, dict) else [entry])
        if str(one) not in ("_self_",)
    ]


def _read_floor(floor: Floor, conf: Path) -> Floor:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from pydantic import ValidationError

    path = conf.parent / floor.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"policy.floor: {floor.file} cannot be read ({first_line(error)}): correct the path, "
            "or restore the file"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != floor.sha256:
        raise Problem(
            f"policy.floor: {floor.file} has sha256 {found}, not the pinned {floor.sha256}: use "
            "the organisation's file, or ask the risk owner to pin the new digest"
        )
    values: Any = None
    try:
        # OmegaConf refuses a duplicate key. PyYAML would silently use the last one.
        values = OmegaConf.to_container(OmegaConf.create(content.decode("utf-8")))
        if isinstance(values, dict):
            values = policy_files.with_lists(values, f"{floor.file}: policy")
        policy = Policy.model_validate(values)
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise Problem(
            f"policy.floor: {floor.file} is not valid YAML: {first_line(error)}; fix it"
        ) from error
    except ValidationError as error:
        raise explain_invalid(error, floor.file, {"policy": values}, Params, ("policy",)) from error
    taken = Floor.model_fields.keys() - {"file", "sha256"}
    return floor.model_copy(update={name: getattr(policy, name) for name in taken})

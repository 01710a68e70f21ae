"""Compose `conf/` with Hydra into one validated configuration."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from .config import Floor, Params, Policy, explain_invalid, parse
from .problem import Problem, first_line

CONF = Path("conf")


def compose(conf: Path, overrides: list[str] | None = None) -> Params:
    """Compose `conf/config.yaml` and validate it; the organisation's floor is read and checked."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not (conf / "config.yaml").is_file():
        raise Problem(f"{conf / 'config.yaml'} is missing: restore it with git")
    try:
        with initialize_config_dir(str(conf.absolute()), version_base="1.3"):
            composed = hydra_compose("config", overrides=overrides or [])
        values: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise Problem(f"conf/ does not compose: {first_line(error)}") from error
    params = parse(values)
    _require_whole_policy(conf, params)
    floor = params.policy.floor
    if floor is None:
        return params
    policy = params.policy.model_copy(update={"floor": _read_floor(floor, conf)})
    return params.model_copy(update={"policy": policy})


def _require_whole_policy(conf: Path, params: Params) -> None:
    """Refuse a policy that anything but its own file in `conf/policy/` had a say in."""
    from omegaconf import OmegaConf

    path = conf / "policy" / f"{params.policy.name}.yaml"
    try:
        own: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OSError, ValueError) as error:
        raise Problem(
            f"policy {params.policy.name!r} is not in {path}: name it as its file"
        ) from error
    if Policy.model_validate(own) != params.policy:
        raise Problem(
            f"the composed policy is not that of conf/policy/{path.name}: take `policy:` out of "
            "conf/config.yaml, thresholds have one place"
        )


def _read_floor(floor: Floor, conf: Path) -> Floor:
    import yaml
    from pydantic import ValidationError

    path = conf.parent / floor.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(f"policy.floor: cannot read {floor.file}: {first_line(error)}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != floor.sha256:
        raise Problem(
            f"policy.floor: {floor.file} has sha256 {found}, not the pinned {floor.sha256}: "
            "take the organisation's file, or have the policy owner pin the new digest"
        )
    try:
        policy = Policy.model_validate(yaml.safe_load(content))
    except yaml.YAMLError as error:
        raise Problem(f"policy.floor: {floor.file} is no YAML: {first_line(error)}") from error
    except ValidationError as error:
        raise explain_invalid(error, floor.file) from error
    return floor.model_copy(update={"rules": policy.rules, "confidence": policy.confidence})

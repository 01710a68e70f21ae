"""The composed configuration, and typed access to it.

`conf/` is the source. The stage `compose` writes the policy to `policy.json` and everything else to
`params.yaml`. The policy is long, DVC parses both files several times for each stage, and JSON
parses much faster than YAML. A later stage reads only the sections that it lists in `dvc.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from governed_ml.core.config.closed_model import Closed, Scalar
from governed_ml.core.config.data import Data
from governed_ml.core.config.model import Model
from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.monitor import Monitor, Notify
from governed_ml.core.config.production.serve import Serve
from governed_ml.core.config.split import Split
from governed_ml.core.files import PARAMS, POLICY, parse_yaml, read_json
from governed_ml.core.problem import Problem, explain_invalid


class Project(Closed):
    """Who is accountable for the model."""

    name: str = Field(description="the name in titles and cards")
    organisation: str = Field(description="who owns the project")
    risk_tier: Literal["minimal", "limited", "high"] = Field(
        description="the EU AI Act risk tier: the name of the policy"
    )
    risk_owner: str = Field(
        description="GitHub user or team that reviews policy, approvers and contracts"
    )
    model_owner: str = Field(description="GitHub user or team that reviews everything else")


class Params(Closed):
    """The whole configuration that `conf/` composes to."""

    project: Project = Field(description="who is accountable for the model")
    seed: int = Field(strict=True, ge=0, lt=2**32, description="the seed of every random choice")
    experiment: str = Field(description="the name of the experiment in MLflow")
    deployment: dict[str, Scalar] = Field(
        description="facts that a rule may ask for, as `params.deployment.NAME`"
    )
    data: Data = Field(description="the file of `conf/data/` in use")
    split: Split = Field(description="the file of `conf/split/` in use")
    model: Model = Field(description="the file of `conf/model/` in use")
    policy: Policy = Field(description="the file of `conf/policy/` in use")
    notify: Notify = Field(default=Notify(), description="the webhook that is notified of events")
    monitor: Monitor = Field(default=Monitor(), description="the settings of `governance monitor`")
    serve: Serve = Field(default=Serve(), description="the settings of `governance serve`")


def parse(values: dict[str, Any], where: str = "conf/") -> Params:
    """Validate a composed configuration. Raise `Problem` naming `where` and the key at fault.

    The model gets the policy's list of packages, because `train` reads no policy.
    """
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise explain_invalid(error, where, values, Params) from error
    packages = params.policy.estimator_packages or None
    if params.model.packages not in (None, packages):
        raise Problem(
            f"{where}: model.packages differs from estimator_packages of the policy: remove it "
            "from conf/model, and run `uv run dvc repro`"
        )
    model = params.model.model_copy(update={"packages": packages})
    return params.model_copy(update={"model": model})


def select(values: dict[str, Any], sections: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Pick sections (`data`, `policy.confidence`) of a composed configuration, keyed by name."""
    chosen: dict[str, Any] = {}
    for name in sections:
        value: Any = values
        parts = name.split(".")
        for part in parts:
            if not isinstance(value, dict) or part not in value:
                file = POLICY if parts[0] == "policy" else PARAMS
                raise Problem(f"{file} has no {name}: run `uv run dvc repro`")
            value = value[part]
        chosen[name] = value
    return chosen


def read_raw(path: Path = Path(PARAMS)) -> dict[str, Any]:
    """Read the composed configuration as plain values, with the policy from the file beside it."""
    import yaml

    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(f"{path} is missing: run `uv run dvc repro`") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Problem(f"{path} is not readable YAML: run `uv run dvc repro`") from error
    if not isinstance(values, dict):
        raise Problem(f"{path} is empty: run `uv run dvc repro`")
    return values | _policy(path.with_name(POLICY), values)


def _policy(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Read the policy. Releases of engine 0.1 have it in `params.yaml`."""
    if not path.is_file():
        return {}
    found = read_json(path)
    if not isinstance(found, dict) or set(found) != {"policy"} or "policy" in values:
        raise Problem(
            f"{path} was changed after the stage `compose` wrote it: run `uv run dvc repro`"
        )
    return found


def read(*sections: str) -> Params:
    """Read the named sections of the composed configuration. All other sections are absent.

    A stage names exactly the sections that `dvc.yaml` lists under its `params:`; a test compares
    them.
    """
    params = parse(read_raw(), PARAMS)
    wanted: dict[str, list[str]] = {}
    for name in sections:
        top, _, leaf = name.partition(".")
        wanted.setdefault(top, []).extend([leaf] if leaf else [])
    chosen: dict[str, Any] = {}
    for top, leaves in wanted.items():
        section = getattr(params, top)
        part = {leaf: getattr(section, leaf) for leaf in leaves}
        chosen[top] = type(section).model_construct(**part) if leaves else section
    return Params.model_construct(**chosen)

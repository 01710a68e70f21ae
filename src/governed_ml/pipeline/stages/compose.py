"""Write the composed configuration as `params.yaml` and `policy.json`, and `code.json`.

`code.json` holds the digest of each stage's code: its module and everything it imports. So DVC
compares one value per stage instead of twenty files, and no file can be forgotten.
"""

from __future__ import annotations

from pathlib import Path

from governed_ml.core import files, model_file, tables
from governed_ml.core.code.stage_code import digests
from governed_ml.core.config.composition import CONF, compose
from governed_ml.core.config.data import Source
from governed_ml.core.config.params import Params
from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.files import PARAMS, POLICY, as_json, root, write_text
from governed_ml.core.problem import Problem
from governed_ml.pipeline.folds.assignment import require_no_time
from governed_ml.pipeline.named_classes import require_installed, require_named
from governed_ml.pipeline.probabilities.requested import require_possible
from governed_ml.policy.cel_expression import syntax_error

WRITTEN = (
    *(tables.RAW, tables.VALIDATED, tables.PREDICTIONS),
    *(tables.TRAIN.parent, tables.SENSITIVE_TRAIN.parent, model_file.FOLDS),
)
PREDICTIONS = "evaluate.failed_prediction_expectations"
HEADER = (
    "# Written by the stage `compose` from conf/. "
    "Do not edit: edit conf/ and run `uv run dvc repro`.\n"
)


def main() -> str:
    """Write the three files; raise `Problem` for invalid expressions or estimators."""
    import yaml

    params = compose(root() / CONF)
    check(params)
    require_no_time(params)  # not in `check`, which also sees files that are not in use
    require_installed(params.model.targets())
    values = params.model_dump(mode="json")
    policy = as_json({"policy": values.pop("policy")})
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    written = {PARAMS: HEADER + text, POLICY: policy, "code.json": as_json(digests())}
    if any(held(root() / name) != content for name, content in written.items()):
        files.withdraw_decision()
    for name, content in written.items():
        write_text(root() / name, content)
    return (
        f"{params.data.name}, {params.model.name}, {params.split.kind} split, "
        f"policy {params.policy.name}"
    )


def held(path: Path) -> str | None:
    """Return the content of a file, or None if it does not exist."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def check(params: Params) -> None:
    """Raise `Problem` for configuration errors that would otherwise stop a later stage."""
    check_source(params.data.source)
    require_possible(params.model, params.data.task, len(params.data.class_names))
    for target in params.model.targets():
        require_named(target, params.model.packages or ())
    for rule in params.policy.rules:
        for expression in (rule.when, rule.require):
            error = None if expression is None else syntax_error(expression)
            if error:
                raise Problem(
                    f"conf/policy: rule {rule.id}: `{expression}` is not valid CEL: {error}; "
                    "correct it"
                )
    _check_policy(params.policy)
    judged = {rule.metric for rule in params.policy.rules if rule.block is not None}
    if params.data.prediction_contract is not None and PREDICTIONS not in judged:
        raise Problem(
            f"conf/data: prediction_contract is set, but no rule of policy {params.policy.name} "
            f"blocks on {PREDICTIONS}: add the rule evaluate.prediction_contract to conf/policy/"
        )


def check_source(source: Source) -> None:
    """Raise `Problem` if the source's file is an output, because DVC deletes outputs first."""
    if source.kind != "file" or source.path is None or "://" in source.path:
        return
    place = (root() / source.path).resolve()
    for out in WRITTEN:
        if place.is_relative_to((root() / out).resolve()):
            raise Problem(
                f"data.source.path: DVC deletes {source.path} before the pipeline writes "
                f"{out.as_posix()}: move your file into data/source"
            )


def _check_policy(policy: Policy) -> None:
    """Raise `Problem` if the policy lacks settings other than limits that stages need."""
    where = f"conf/policy: policy {policy.name}"
    for name in ("perturbation", "risk"):
        if getattr(policy, name) is None:
            raise Problem(f"{where} has no section {name}: ask the risk owner to add it")
    weights = policy.risk.weights if policy.risk else {}
    if abs(sum(weights.values()) - 100) > 1e-9:
        raise Problem(
            f"{where}: risk.weights add up to {sum(weights.values()):g}, but must add up to 100: "
            "correct them"
        )
    lost = [rule.id for rule in policy.rules if rule.id.partition(".")[0] not in weights]
    if lost:
        gate = lost[0].partition(".")[0]
        raise Problem(
            f"{where}: risk.weights has no weight for {gate}, the gate of rule {lost[0]}: add one"
        )

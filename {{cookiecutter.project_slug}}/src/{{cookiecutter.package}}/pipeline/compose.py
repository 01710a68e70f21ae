"""Compose `conf/` into `params.yaml`, validated; later stages depend on single values of it."""

from __future__ import annotations

from ..composition import CONF, compose
from ..config import Params
from ..files import root, write_text
from ..governance.rules import syntax_error
from ..model_file import PACKAGES, allowed
from ..problem import Problem
from ..stage import withdraw

HEADER = (
    "# Written by the stage `compose` from conf/. "
    "Do not edit: edit conf/ and run `uv run dvc repro`.\n"
)


def main() -> str:
    """Write `params.yaml`; refuse an expression that is no CEL and an estimator from elsewhere."""
    import yaml

    params = compose(root() / CONF)
    check(params)
    values = params.model_dump(mode="json")
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    path = root() / "params.yaml"
    if not path.is_file() or path.read_text(encoding="utf-8") != HEADER + text:
        withdraw()
    write_text(path, HEADER + text)
    return (
        f"{params.data.name}, {params.model.name}, {params.split.kind} split, "
        f"policy {params.policy.name}"
    )


def check(params: Params) -> None:
    """Refuse what only a later stage would stumble over."""
    for target in params.model.targets():
        if not allowed(target):
            raise Problem(
                f"conf/model: estimator._target_ {target!r} is not from {', '.join(PACKAGES)}"
            )
    for rule in params.policy.rules:
        for expression in (rule.when, rule.require):
            error = "" if expression is None else syntax_error(expression)
            if error:
                raise Problem(f"conf/policy: rule {rule.id}: `{expression}` is no CEL: {error}")

"""The policies of `conf/policy/`, put together without the engine: base, then tier over it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from baked import TEMPLATE

if TYPE_CHECKING:
    from governed_ml.core.config.policy_schema import Policy


def read(folder: Path, tier: str) -> dict[str, Any]:
    """Return a tier's policy with its rules as lists; what is set to null is not there."""
    base, own = (
        yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("base", tier)
    )
    assert own.pop("defaults") == ["base", "_self_"]
    policy = over(base, own)
    policy["rules"] = listed(policy["rules"])
    for section in ("monitoring", "canary"):
        policy[section]["rules"] = listed(policy[section]["rules"])
    return policy


def of_template(tier: str) -> Policy:
    """Return a policy of the template, typed."""
    from governed_ml.core.config.policy_schema import Policy

    return Policy.model_validate(read(TEMPLATE / "conf" / "policy", tier))


def over(base: Any, own: Any) -> Any:
    """Lay one value over another: mappings are merged, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    merged = {name: over(base.get(name), value) for name, value in own.items()}
    return {name: merged.get(name, value) for name, value in (base | merged).items()}


def listed(rules: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rules in their order, each with its id."""
    return [
        {"id": name} | {key: value for key, value in rule.items() if value is not None}
        for name, rule in rules.items()
        if rule is not None
    ]

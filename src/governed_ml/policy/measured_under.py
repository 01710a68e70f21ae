"""Compare today's settings with those under which evidence was measured (pure functions).

A limit may change after the measurement, because the number stays the same. A setting that the
number depends on may not: the confidence of its bounds, the noise, the groups, the split, the
region of deployment.
"""

from __future__ import annotations

from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.core.evidence import AnyEvidence, Collected, Metric, usable
from governed_ml.core.problem import Unusable

TERM = "measured_under"  # prefix of the ids of these results
OF_DATA = ("task", "target", "positive", "against", "classes", "rows", "time", "group")
READ_AS = ("categorical", "numeric", "dates", "spellings", "distinct", "drop_unlabelled")
OF_CELLS = ("missing", "decimal", "thousands", "encoding", "sheet")
FIX = "update your branch from main, run `uv run dvc repro`, commit, and register again"


def differences(
    measured: Params,
    evidence: Collected,
    asked: Params,
    contract: str | None,
    predictions: str | None = None,
) -> dict[str, str]:
    """Return setting → how the evidence's value differs from today's.

    `measured` is the sealed configuration, `asked` that of the protected branch. `contract` and
    `predictions` are the digests of the protected branch's data and prediction contracts.
    """
    before = _terms(measured) | _contract(measured, _digest(evidence), _predictions(evidence))
    today = _terms(asked) | _contract(asked, contract, predictions)
    found = {
        name: _said(before.get(name), today.get(name))
        for name in sorted(before.keys() | today.keys())
        if before.get(name) != today.get(name)
    }
    listed = asked.policy.estimator_packages or []
    lost = [name for name in measured.model.packages or [] if name not in listed]
    if lost:
        found["policy.estimator_packages"] = _said(", ".join(lost), ", ".join(listed) or None)
    used = _features(evidence)
    for what, names in (("proxies", asked.data.proxies), ("drop", asked.data.drop)):
        found |= {
            f"data.{what}.{name}": f"the model uses this feature, but main lists it under {what}: "
            f"{FIX}"
            for name in names
            if name in used
        }
    return found


def as_asked(measured: Params, asked: Params) -> Params:
    """Return the sealed configuration with today's policy, project, deployment and attributes."""
    told = {name: getattr(asked.data, name) for name in ("sensitive", "no_sensitive_reason")}
    return measured.model_copy(
        update={
            "policy": asked.policy,
            "project": asked.project,
            "deployment": asked.deployment,
            "data": measured.data.model_copy(update=told),
        }
    )


def uncompared(evidence: Collected, why: str) -> dict[str, AnyEvidence | Unusable]:
    """Return the evidence as if the comparison with an existing champion gave no result.

    Rules about the comparison then apply, and are insufficient for the reason `why`.
    """
    found = usable(evidence).get("evaluate")
    if found is None:
        return dict(evidence)
    metrics = found.metrics | {
        "champions": Metric(value=1.0),
        "champion_difference": Metric(value=None, note=why),
    }
    return {**evidence, "evaluate": found.model_copy(update={"metrics": metrics})}


def _terms(params: Params) -> dict[str, Any]:
    data, policy, split = params.data, params.policy, params.split
    found: dict[str, Any] = {"policy.confidence": policy.confidence}
    if policy.perturbation is not None:
        found |= {
            f"policy.perturbation.{name}": value
            for name, value in policy.perturbation.model_dump().items()
        }
    found |= {f"data.{name}": getattr(data, name) for name in OF_DATA}
    found |= {f"data.{name}": _unordered(getattr(data, name)) for name in READ_AS}
    found |= {f"data.source.{name}": _unordered(getattr(data.source, name)) for name in OF_CELLS}
    found |= {
        f"data.sensitive.{name}": how.model_dump(exclude_none=True) or "as it is"
        for name, how in data.sensitive.items()
    }
    found |= {f"split.{name}": value for name, value in split.model_dump().items()}
    return found | {f"deployment.{name}": value for name, value in params.deployment.items()}


def _unordered(value: object) -> object:
    """Return a setting for comparison: lists sorted, empty values as None."""
    found = sorted(value, key=str) if isinstance(value, list) else value
    return found or None


def _contract(params: Params, digest: str | None, predictions: str | None) -> dict[str, Any]:
    """Return the file and the digest of each contract that the project has."""
    both = (("contract", digest), ("prediction_contract", predictions))
    return {
        f"data.{name}": f"{path} ({(known or 'no file')[:19]})"
        for name, known in both
        if (path := getattr(params.data, name)) is not None
    }


def _digest(evidence: Collected) -> str | None:
    found = usable(evidence).get("validate")
    return None if found is None else str(found.body.contract_digest)


def _predictions(evidence: Collected) -> str | None:
    found = usable(evidence).get("evaluate")
    path = None if found is None else found.body.prediction_contract
    return None if found is None or path is None else found.subject.inputs.get(path)


def _features(evidence: Collected) -> list[str]:
    found = usable(evidence).get("split")
    return [] if found is None else [*found.body.numeric, *found.body.categorical]


def _said(before: object, today: object) -> str:
    was = f"it was measured under {before}" if before is not None else "it was measured without it"
    now = f"main now asks for {today}" if today is not None else "main no longer asks for it"
    return f"{was}, and {now}: {FIX}"

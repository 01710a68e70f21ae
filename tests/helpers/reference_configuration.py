"""docs/configuration.md: every key of `conf/`, as the closed models have it."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from reference_models import rows_of, titled
from reference_pages import WRITTEN, document, table, wrapped

from governed_ml.core import config
from governed_ml.core.config import closed_model, params, policy_schema, threshold
from governed_ml.core.config.production import canary, hook, serve
from governed_ml.core.config.production import policy as production_policy

INTRO = (
    "Hydra composes `conf/config.yaml` with one file of each group: `conf/data/`, `conf/model/`, "
    "`conf/split/` and `conf/policy/`. The result must have the keys of this page. An unknown key, "
    "a missing key or a value of another type is refused, with the name of the key."
)
READ = (
    "In the tables, a key without a default is required, and `none` means that the key may be left "
    "out. `NAME → …` is a mapping with names of your own."
)
GUIDES = (
    "[Bring your data](bring-your-data.md), [change the policy](policy.md) and "
    "[monitor production](monitoring.md) explain the keys with examples."
)
SECTIONS: dict[str, list[type[BaseModel]]] = {
    "`conf/config.yaml`": [
        *(params.Params, config.Project, config.Notify, config.Monitor, config.Feed),
        *(serve.Serve, serve.TokenIssuer, serve.AlertLimits, hook.Hook, hook.ProtectionRule),
    ],
    "`conf/data/`": [config.Data, config.Source, config.Sensitive],
    "`conf/split/`": [config.Split],
    "`conf/model/`": [config.Model, threshold.Threshold, threshold.Costs],
    "`conf/policy/`": [
        *(config.Policy, config.Rule, config.Waiver, config.Approvals, config.EngineTerms),
        *(policy_schema.ForkTerms, config.Perturbation, config.Risk, config.Monitoring),
        *(config.MonitoringRule, production_policy.ServedExplanations),
        *(canary.CanaryTerms, canary.CanaryRule, config.Floor),
    ],
}
"""Heading → the models under it."""
COMPOSED = "`compose` fills it in"


def places() -> dict[type[BaseModel], str]:
    """Return model → the path under which the configuration has it; of `Feed`, several."""
    found: dict[type[BaseModel], list[str]] = {}

    def walk(model: type[BaseModel], path: str) -> None:
        found.setdefault(model, []).append(path)
        if model is config.Floor:
            return  # the rest of it is the organisation's policy once more
        for name, field in model.model_fields.items():
            for inner, more in models(field.annotation):
                walk(inner, f"{path}.{name}{more}".lstrip("."))

    walk(params.Params, "")
    return {model: ", ".join(f"`{one}`" for one in paths if one) for model, paths in found.items()}


def models(annotation: Any, more: str = "") -> list[tuple[type[BaseModel], str]]:
    """Return the models in a type, each with what stands for an item of a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, more)]
    mark = {list: "[]", dict: ".NAME"}.get(get_origin(annotation) or NoneType, "")
    return [one for part in get_args(annotation) for one in models(part, more + mark)]


def headed(model: type[BaseModel]) -> str:
    """Return the heading of a model's section."""
    return "Top level" if model is params.Params else f"Keys of {titled(model)}"


def section(model: type[BaseModel], where: str, links: dict[type[BaseModel], str]) -> str:
    """Return the section of one model: what it is for, where it stands, and its keys."""
    chosen = {
        name: field
        for name, field in model.model_fields.items()
        if COMPOSED not in (field.description or "") and field.description != "the same"
    }
    first = " ".join((model.__doc__ or "").split("\n\n")[0].split())
    said = f"{first} {f'Path: {where}.' if where else ''}"
    rows = table(["key", "type", "default", "meaning"], rows_of(chosen, links))
    return f"### {headed(model)}\n\n{wrapped(said)}\n\n{rows}"


def page() -> str:
    """Return the page."""
    where = places()
    links = {
        model: f"[{titled(model)}](#{headed(model).lower().replace(' ', '-')})"
        for found in SECTIONS.values()
        for model in found
    }
    answers = ", ".join(f"`{name}`" for name in closed_model.ANSWERS)
    parts: list[str] = []
    for heading, found in SECTIONS.items():
        parts.append(f"## {heading}")
        parts += [section(model, where[model], links) for model in found]
    asked = f"Answers to what `ingest` asks about a table: {answers}. Most tables need none."
    intro = [wrapped(one) for one in (INTRO, READ, GUIDES, asked)]
    return document("Configuration", WRITTEN, *intro, *parts)

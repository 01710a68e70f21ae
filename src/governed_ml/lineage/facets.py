"""OpenLineage facets made from the records of one stage."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from openlineage.client import facet_v2 as facet

from governed_ml.core.code.engine import DISTRIBUTION
from governed_ml.lineage.pipeline_records import Step
from governed_ml.policy.decision import RuleResult

Facets = dict[str, Any]


def tags(tags: dict[str, str]) -> Facets:
    """Return the facet of a run's tags; tags with an empty value are left out."""
    fields = [
        facet.tags_run.TagsRunFacetFields(key, value, "records")
        for key, value in tags.items()
        if value
    ]
    return {"tags": facet.tags_run.TagsRunFacet(fields)}


def engine(step: Step) -> Facets:
    """Return the facet of the processing engine: the version that the stage's evidence records."""
    by = step.evidence.subject.engine if step.evidence else None
    if by is None:
        return {}
    made = facet.processing_engine_run.ProcessingEngineRunFacet(by.version, name=DISTRIBUTION)
    return {"processing_engine": made}


def error(step: Step) -> Facets:
    """Return the facet with the reason why a stage stopped."""
    message = f"{step.stage}: {step.failed}"
    return {"errorMessage": facet.error_message_run.ErrorMessageRunFacet(message, "PYTHON")}


def version(digest: str | None) -> Facets:
    """Return the facet of a data set's version, which is the digest of its bytes."""
    version = facet.dataset_version_dataset.DatasetVersionDatasetFacet
    return {"version": version(digest)} if digest else {}


def quality(step: Step, path: str) -> Facets:
    """Return the facet with the data contract's results about the table that `validate` read."""
    found, quality = step.evidence, facet.data_quality_assertions_dataset
    if found is None or found.gate != "validate" or path not in found.subject.inputs:
        return {}
    assertions = [
        quality.Assertion(
            assertion=one.type,
            success=one.success,
            column=one.column,
            severity="error",
            expected=one.limits,
            actual=one.observed,
        )
        for one in found.body.expectations
    ]
    return {"dataQualityAssertions": quality.DataQualityAssertionsDatasetFacet(assertions)}


def parameters(parameters: dict[str, Any]) -> Any:
    """Return the facet of the parameters that a stage was run with."""
    own = facet.execution_parameters_run
    found = [own.ExecutionParameter(key=key, value=value) for key, value in _flat(parameters)]
    return own.ExecutionParametersRunFacet(found)


def _flat(parameters: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the values that DVC records for a stage, section by section, as JSON."""
    for file, sections in parameters.items():
        for name, value in sections.items():
            parts: dict[str, Any] = value if isinstance(value, dict) else {"": value}
            for key, part in parts.items():
                text = json.dumps(part, sort_keys=True, ensure_ascii=False, default=str)
                yield f"{file}:{name}{'.' + key if key else ''}", text


def actual(rule: RuleResult) -> str | None:
    """Return the value that a rule was judged by, with its bounds if it has any."""
    if rule.interval is not None:
        return f"{rule.value} [{rule.interval[0]}, {rule.interval[1]}]"
    return None if rule.value is None else str(rule.value)

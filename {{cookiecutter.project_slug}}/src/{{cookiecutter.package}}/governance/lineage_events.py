"""OpenLineage events of a line: START, then COMPLETE or FAIL, a stage, under one parent run.

Pure: records in, events out, and the same events from the same records, run ids included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from ..files import digest_of
from .decision import RuleResult
from .lineage import Line, Step
from .lineage_columns import mapped, place, schema
from .lineage_origin import Origin

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, Run, RunEvent, RunState

LINE = "line"  # the parent job's name
STATUS = {"pass": ("pass", "error"), "warn": ("fail", "warn"), "waived": ("fail", "warn"),
          "fail": ("fail", "error"), "insufficient": ("fail", "error")}  # fmt: skip


def events(line: Line, origin: Origin, moment: datetime) -> list[dict[str, Any]]:
    """Return the events as JSON; `moment`: when the line ended, which evidence cannot say."""
    from openlineage.client.event_v2 import RunState, set_producer
    from openlineage.client.serde import Serde

    teller = Teller(line, origin)
    set_producer(teller.producer)
    spans = _spans(line, moment)
    steps = list(line.steps.values())
    begin, end = spans[steps[0].stage][0], spans[steps[-1].stage][1]
    failed = [step for step in steps if step.failed]
    made: list[RunEvent] = [teller.parent(RunState.START, begin)]
    for step in steps:
        start, stop = spans[step.stage]
        made.append(teller.event(step, RunState.START, start))
        state = RunState.FAIL if step.failed else RunState.COMPLETE
        made.append(teller.event(step, state, stop))
    made.append(teller.parent(RunState.FAIL if failed else RunState.COMPLETE, end))
    found: list[dict[str, Any]] = [Serde.to_dict(one) for one in made]
    digest_of(found)  # a NaN, or what is no JSON, is refused here
    return found


def _spans(line: Line, moment: datetime) -> dict[str, tuple[datetime, datetime]]:
    """Return when each stage ran; one without a record of it takes its neighbour's moment."""
    known = {name: step.span for name, step in line.steps.items() if step.span is not None}
    first = min((span[0] for span in known.values()), default=moment)
    last = max((span[1] for span in known.values()), default=moment)
    spans: dict[str, tuple[datetime, datetime]] = {}
    for name, step in line.steps.items():
        own = (moment, moment) if step.failed else (last, last) if spans else (first, first)
        spans[name] = known.get(name, own)
    return spans


class Teller:
    """What the events of one line have in common."""

    def __init__(self, line: Line, origin: Origin) -> None:
        """Take the records and where they stand."""
        self.line, self.origin = line, origin
        self.producer = origin.repository or f"urn:project:{line.project}"
        self.run_id = str(uuid5(NAMESPACE_URL, f"{line.project}\n{line.key}"))

    def parent(self, state: RunState, moment: datetime) -> RunEvent:
        """Return an event of the parent run; its last one says the verdict."""
        from openlineage.client.event_v2 import Run

        ended = state.value != "START"
        failed = next((step for step in self.line.steps.values() if step.failed), None)
        tags = {"commit": self.origin.commit or "", "lock": self.line.key}
        decision = self.line.decision
        if ended and decision is not None and failed is None:
            tags |= {"verdict": decision.verdict, "policy": decision.policy_digest or ""}
        facets = self._tags(tags) | (self._error(failed) if ended and failed else {})
        run = Run(runId=self.run_id, facets=facets)
        return self._event(state, moment, run, LINE, [], [])

    def event(self, step: Step, state: RunState, moment: datetime) -> RunEvent:
        """Return an event of a stage; what it read and made is told when it has ended, too."""
        from openlineage.client.event_v2 import Run
        from openlineage.client.facet_v2 import execution_parameters_run as parameters
        from openlineage.client.facet_v2 import parent_run

        ended = state.value != "START"
        facets: dict[str, Any] = {
            "parent": parent_run.ParentRunFacet(
                run=parent_run.Run(runId=self.run_id),
                job=parent_run.Job(namespace=self.line.project, name=LINE),
            )
        }
        facets |= self._tags(self._facts(step))
        if step.parameters:
            facets["executionParameters"] = parameters.ExecutionParametersRunFacet(
                parameters=[
                    parameters.ExecutionParameter(key=key, value=value)
                    for key, value in _flat(step.parameters)
                ]
            )
        if ended:
            facets |= self._error(step) if step.failed else self._tests(step.stage)
        name = f"{self.run_id}\n{step.stage}"
        run = Run(runId=str(uuid5(NAMESPACE_URL, name)), facets=facets)
        inputs, outputs = self._inputs(step), self._outputs(step) if ended else []
        return self._event(state, moment, run, step.stage, inputs, outputs)

    def _event(self, state: RunState, moment: datetime, run: Run, name: str,
               inputs: list[InputDataset], outputs: list[OutputDataset]) -> RunEvent:  # fmt: skip
        from openlineage.client.event_v2 import Job, RunEvent
        from openlineage.client.facet_v2 import job_type_job, source_code_location_job

        kind = "DAG" if name == LINE else "TASK"
        facets: dict[str, Any] = {
            "jobType": job_type_job.JobTypeJobFacet(
                processingType="BATCH", integration="DVC", jobType=kind
            )
        }
        commit = self.origin.commit
        if commit and (name in self.origin.code or name == LINE):
            place = "dvc.yaml" if name == LINE else f"src/{_package()}/pipeline/{name}.py"
            there = self.origin.repository
            url = f"{there}/blob/{commit}/{place}" if there else f"urn:git:{commit}:{place}"
            facets["sourceCodeLocation"] = source_code_location_job.SourceCodeLocationJobFacet(
                type="git", url=url, repoUrl=there or None, path=place, version=commit
            )
        return RunEvent(
            eventType=state,
            eventTime=moment.astimezone(UTC).isoformat(timespec="milliseconds"),
            run=run,
            job=Job(namespace=self.line.project, name=name, facets=facets),
            inputs=inputs,
            outputs=outputs,
            producer=self.producer,
        )

    def _facts(self, step: Step) -> dict[str, str]:
        """Return what the specification has no facet for: digests, tools, and if it was reused."""
        found = step.evidence
        earlier = self.origin.reused.get(step.stage)
        tags = {"reused": "true" if earlier else "false", "reused_from": earlier or ""}
        if found is not None:
            subject = found.subject
            tags |= {"code": subject.code, "config": subject.config, "model": subject.model or ""}
            tags |= {f"tool.{name}": version for name, version in found.tools.items()}
        return tags | {"evidence": step.missing and f"none: {step.missing}"}

    def _tags(self, tags: dict[str, str]) -> dict[str, Any]:
        from openlineage.client.facet_v2 import tags_run

        fields = [
            tags_run.TagsRunFacetFields(key=key, value=value, source="records")
            for key, value in tags.items()
            if value
        ]
        return {"tags": tags_run.TagsRunFacet(tags=fields)} if fields else {}

    def _error(self, step: Step) -> dict[str, Any]:
        from openlineage.client.facet_v2 import error_message_run

        message = f"{step.stage}: {step.failed}"
        return {"errorMessage": error_message_run.ErrorMessageRunFacet(message, "PYTHON")}

    def _tests(self, stage: str) -> dict[str, Any]:
        """Return the rules that were judged: a gate's own at its stage, all of them at `decide`."""
        from openlineage.client.facet_v2 import test_run

        rules = self.line.decision.rules if self.line.decision else []
        mine = [one for one in rules if stage in ("decide", one.id.split(".")[0])]
        tests = [
            test_run.TestExecution(
                name=one.id,
                status=STATUS[one.verdict][0],
                severity=STATUS[one.verdict][1],
                type=one.verdict,
                description=one.reason,
                expected=None if one.limit is None else str(one.limit),
                actual=_actual(one),
            )
            for one in mine
        ]
        return {"test": test_run.TestRunFacet(tests=tests)} if tests else {}

    def _inputs(self, step: Step) -> list[InputDataset]:
        from openlineage.client.event_v2 import InputDataset

        found = [
            InputDataset(
                namespace=self.line.project,
                name=path,
                facets=self._facets(path, digest),
                inputFacets=self._assertions(step, path),
            )
            for path, digest in step.inputs.items()
        ]
        ingest = self.line.of("ingest")
        if step.stage == "ingest" and ingest is not None:
            facets = self._version(ingest.body.sha256) | self._where(ingest.body.uri)
            found.append(InputDataset(*place(self.line, ingest.body.uri), facets=facets))
        return found

    def _outputs(self, step: Step) -> list[OutputDataset]:
        from openlineage.client.event_v2 import OutputDataset
        from openlineage.client.facet_v2 import column_lineage_dataset as columns
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

        found: list[OutputDataset] = []
        for path, digest in step.outputs.items():
            facets = self._facets(path, digest)
            lines = mapped(self.line, path)
            if lines:
                facets["columnLineage"] = columns.ColumnLineageDatasetFacet(
                    fields={
                        name: columns.Fields(
                            inputFields=[
                                columns.InputField(
                                    namespace=one.namespace,
                                    name=one.table,
                                    field=one.column,
                                    transformations=[columns.Transformation("DIRECT", one.kind)],
                                )
                                for one in sources
                            ]
                        )
                        for name, sources in lines.items()
                    }
                )
            known = schema(self.line, path)
            counted: dict[str, Any] = {}
            if known and known.rows is not None:
                fact = statistics.OutputStatisticsOutputDatasetFacet(rowCount=known.rows)
                counted["outputStatistics"] = fact
            one = OutputDataset(self.line.project, path, facets=facets, outputFacets=counted)
            found.append(one)
        return found

    def _facets(self, path: str, digest: str | None) -> dict[str, Any]:
        from openlineage.client.facet_v2 import schema_dataset

        known = schema(self.line, path)
        facets = self._version(digest)
        if known is not None:
            fields = [
                schema_dataset.SchemaDatasetFacetFields(name=name, type=kind)
                for name, kind in known.columns.items()
            ]
            facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
        return facets

    def _version(self, digest: str | None) -> dict[str, Any]:
        from openlineage.client.facet_v2 import dataset_version_dataset as version

        return {"version": version.DatasetVersionDatasetFacet(digest)} if digest else {}

    def _where(self, uri: str) -> dict[str, Any]:
        from openlineage.client.facet_v2 import datasource_dataset

        if not re.match(r"[a-z][a-z0-9+.-]*:", uri):
            return {}  # a path of the project
        return {"dataSource": datasource_dataset.DatasourceDatasetFacet(uri=uri)}

    def _assertions(self, step: Step, path: str) -> dict[str, Any]:
        """Return the data contract's expectations, on the table that `validate` read."""
        from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

        found = step.evidence
        if found is None or found.gate != "validate" or path != "data/raw.parquet":
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


def _actual(rule: RuleResult) -> str | None:
    if rule.interval is not None:
        return f"{rule.value} [{rule.interval[0]}, {rule.interval[1]}]"
    return None if rule.value is None else str(rule.value)


def _flat(parameters: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Return the values that DVC keeps for a stage, section by section, as JSON."""
    for file, sections in parameters.items():
        for name, value in sections.items():
            parts: dict[str, Any] = value if isinstance(value, dict) else {"": value}
            for key, part in parts.items():
                text = json.dumps(part, sort_keys=True, ensure_ascii=False, default=str)
                yield f"{file}:{name}{'.' + key if key else ''}", text


def _package() -> str:
    return __name__.split(".")[0]

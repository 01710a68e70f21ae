"""OpenLineage events of a pipeline: for each stage START, then COMPLETE or FAIL, and a parent run.

These are pure functions: the same records always give the same events, including the run ids.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from openlineage.client import event_v2 as ol
from openlineage.client import facet_v2 as facet
from openlineage.client.serde import Serde

from governed_ml.core.files import digest_of
from governed_ml.lineage import facets as facets_of
from governed_ml.lineage.columns import mapped, place, schema
from governed_ml.lineage.facets import Facets
from governed_ml.lineage.git_origin import GitOrigin, escaped
from governed_ml.lineage.pipeline_records import RecordedPipeline, Step

START, COMPLETE, FAIL = ol.RunState.START, ol.RunState.COMPLETE, ol.RunState.FAIL
LINE = "line"  # the parent job's name
STATUS = {"pass": ("pass", "error"), "warn": ("fail", "warn"), "waived": ("fail", "warn"),
          "fail": ("fail", "error"), "insufficient": ("fail", "error")}  # fmt: skip


def events(pipeline: RecordedPipeline, origin: GitOrigin, moment: datetime) -> list[dict[str, Any]]:
    """Return the events as JSON. `moment` is when the pipeline ended, which no evidence records."""
    teller = Teller(pipeline, origin)
    ol.set_producer(teller.producer)
    spans = _spans(pipeline, moment)
    failed = [step for step in pipeline.steps.values() if step.failed]
    made = [teller.parent(START, min(span[0] for span in spans.values()))]
    for name, step in pipeline.steps.items():
        made.append(teller.event(step, START, spans[name][0]))
        made.append(teller.event(step, FAIL if step.failed else COMPLETE, spans[name][1]))
    end = max(span[1] for span in spans.values())
    made.append(teller.parent(FAIL if failed else COMPLETE, end))
    found: list[dict[str, Any]] = [Serde.to_dict(one) for one in made]
    digest_of(found)  # refuses NaN and values that are not JSON
    return found


def _spans(pipeline: RecordedPipeline, moment: datetime) -> dict[str, tuple[datetime, datetime]]:
    """Return each stage's start and end; without a record, the time of a neighbouring stage."""
    known = {name: step.span for name, step in pipeline.steps.items() if step.span is not None}
    first = min((span[0] for span in known.values()), default=moment)
    last = max((span[1] for span in known.values()), default=moment)
    spans: dict[str, tuple[datetime, datetime]] = {}
    for name, step in pipeline.steps.items():
        own = (moment, moment) if step.failed else (last, last) if spans else (first, first)
        spans[name] = known.get(name, own)
    return spans


class Teller:
    """Makes the events of one pipeline, which share its records and its origin in git."""

    def __init__(self, pipeline: RecordedPipeline, origin: GitOrigin) -> None:
        """Store the pipeline's records and its origin in git."""
        self.pipeline, self.origin = pipeline, origin
        self.producer = origin.repository or f"urn:project:{pipeline.project}"
        self.run_id = str(uuid5(NAMESPACE_URL, f"{pipeline.project}\n{pipeline.key}"))

    def parent(self, state: Any, moment: datetime) -> ol.RunEvent:
        """Return an event of the parent run. The last one includes the verdict."""
        tags = {"commit": self.origin.commit or "", "records": self.pipeline.key}
        decision = self.pipeline.decision
        if state == COMPLETE and decision is not None:
            tags |= {"verdict": decision.verdict, "policy": decision.policy_digest or ""}
        if state == COMPLETE and self.pipeline.doubt:
            tags |= {"verdict": f"none: {self.pipeline.doubt}"}
        facets = facets_of.tags(tags)
        if state == FAIL:
            facets |= facets_of.error(
                next(step for step in self.pipeline.steps.values() if step.failed)
            )
        return self._event(state, moment, ol.Run(self.run_id, facets), LINE, [], [])

    def event(self, step: Step, state: Any, moment: datetime) -> ol.RunEvent:
        """Return an event of a stage.

        An event about the stage's end includes its outputs and tests.
        """
        above = facet.parent_run.Job(self.pipeline.project, LINE)
        facets: Facets = facets_of.tags(self._facts(step))
        facets["parent"] = facet.parent_run.ParentRunFacet(
            run=facet.parent_run.Run(self.run_id), job=above
        )
        facets |= facets_of.engine(step)
        if step.parameters:
            facets["executionParameters"] = facets_of.parameters(step.parameters)
        if state != START:
            facets |= facets_of.error(step) if step.failed else self._tests(step.stage)
        run = ol.Run(str(uuid5(NAMESPACE_URL, f"{self.run_id}\n{step.stage}")), facets)
        outputs = [] if state == START else self._outputs(step)
        return self._event(state, moment, run, step.stage, self._inputs(step), outputs)

    def _event(self, state: Any, moment: datetime, run: ol.Run, name: str,
               inputs: list[Any], outputs: list[Any]) -> ol.RunEvent:  # fmt: skip
        kind = "DAG" if name == LINE else "TASK"
        facets: Facets = {"jobType": facet.job_type_job.JobTypeJobFacet("BATCH", "DVC", kind)}
        commit, there = self.origin.commit, self.origin.repository
        if commit and (name in self.origin.code or name == LINE):
            path = "dvc.yaml"  # names the stage's command; `uv.lock` beside it pins the engine
            url = f"{there}/blob/{commit}/{path}" if there else f"urn:git:{commit}:{path}"
            facets["sourceCodeLocation"] = (
                facet.source_code_location_job.SourceCodeLocationJobFacet(
                    type="git", url=url, repoUrl=there or None, path=path, version=commit
                )
            )
        return ol.RunEvent(
            eventType=state,
            eventTime=moment.astimezone(UTC).isoformat(timespec="milliseconds"),
            run=run,
            job=ol.Job(self.pipeline.project, name, facets),
            inputs=inputs,
            outputs=outputs,
            producer=self.producer,
        )

    def _facts(self, step: Step) -> dict[str, str]:
        """Return tags for facts that no facet covers: digests, tools, and whether it was reused."""
        earlier = self.origin.reused.get(step.stage)
        tags = {"reused": "true" if earlier else "false", "reused_from": earlier or ""}
        if step.evidence is not None:
            subject = step.evidence.subject
            tags |= {"code": subject.code, "config": subject.config, "model": subject.model or ""}
            tags |= {"engine": subject.engine.digest if subject.engine else ""}
            tags |= {f"tool.{name}": version for name, version in step.evidence.tools.items()}
        return tags | {"evidence": "" if step.missing is None else f"none: {step.missing}"}

    def _tests(self, stage: str) -> Facets:
        """Return the verdicts of rules: those of a gate at its stage, all of them at `decide`."""
        rules = self.pipeline.decision.rules if self.pipeline.decision else []
        tests = [
            facet.test_run.TestExecution(
                name=one.id,
                status=STATUS[one.verdict][0],
                severity=STATUS[one.verdict][1],
                type=one.verdict,
                description=one.reason,
                expected=None if one.limit is None else str(one.limit),
                actual=facets_of.actual(one),
            )
            for one in rules
            if stage in ("decide", one.id.split(".")[0])
        ]
        return {"test": facet.test_run.TestRunFacet(tests)} if tests else {}

    def _inputs(self, step: Step) -> list[ol.InputDataset]:
        found = [
            ol.InputDataset(
                self.pipeline.project,
                path,
                facets_of.quality(step, path),
                facets=self._facets(path, digest),
            )
            for path, digest in step.inputs.items()
        ]
        ingest = self.pipeline.of("ingest")
        if step.stage == "ingest" and ingest is not None:
            uri, facets = ingest.body.uri, facets_of.version(ingest.body.sha256)
            if re.match(r"[a-z][a-z0-9+.-]*:", uri):  # otherwise it is a path in the project
                facets["dataSource"] = facet.datasource_dataset.DatasourceDatasetFacet(
                    uri=escaped(uri)
                )
            found.append(ol.InputDataset(*place(self.pipeline, uri), facets=facets))
        return found

    def _outputs(self, step: Step) -> list[ol.OutputDataset]:
        found: list[ol.OutputDataset] = []
        counted = facet.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
        for path, digest in step.outputs.items():
            facets, known = self._facets(path, digest), schema(self.pipeline, path)
            rows: Facets = {"outputStatistics": counted(known.rows)} if known else {}
            facets |= self._lines(path)
            found.append(ol.OutputDataset(self.pipeline.project, path, rows, facets=facets))
        return found

    def _lines(self, path: str) -> Facets:
        """Return the facet with the columns that each column of a table was derived from."""
        columns = facet.column_lineage_dataset
        fields = {
            name: columns.Fields(
                [
                    columns.InputField(*one[:3], [columns.Transformation("DIRECT", one.kind)])
                    for one in sources
                ]
            )
            for name, sources in mapped(self.pipeline, path).items()
        }
        return {"columnLineage": columns.ColumnLineageDatasetFacet(fields)} if fields else {}

    def _facets(self, path: str, digest: str | None) -> Facets:
        known, one = schema(self.pipeline, path), facet.schema_dataset
        facets = facets_of.version(digest)
        if known is not None:
            fields = [one.SchemaDatasetFacetFields(*column) for column in known.columns.items()]
            facets["schema"] = one.SchemaDatasetFacet(fields)
        return facets

"""`governance lineage emit`: OpenLineage events of the pipeline, in a file and at an endpoint."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import baked
import openlineage_schemas
import pytest
from baked import BakedProject
from jsonschema import Draft202012Validator as Validator

pytestmark = pytest.mark.slow

FILE = "reports/lineage/events.jsonl"
STAGES = [
    *("compose", "ingest", "validate", "split", "train", "evaluate", "drift", "fairness"),
    *("explain", "document", "decide"),
]
Event = dict[str, Any]


@pytest.fixture
def project(project_after_run: BakedProject, tmp_path: Path) -> BakedProject:
    """The records of the finished default project, without its data: they are enough."""
    return baked.copy_project(project_after_run, tmp_path, "cache", "tmp", "*.parquet", "*.skops")


@pytest.fixture(scope="session")
def validator(environment: Path) -> Validator:
    """What every event has to be, with formats, and no facet or key that is not OpenLineage's."""
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = baked.run_plain([str(python), openlineage_schemas.__file__], baked.ROOT)
    schema = json.loads(done.stdout)
    Validator.check_schema(schema)
    checker = Validator.FORMAT_CHECKER
    assert {"date-time", "uri", "uuid"} <= checker.checkers.keys()
    return Validator(schema, format_checker=checker)


def emitted(project: BakedProject, code: int = 0, **variables: str) -> dict[str, Any]:
    """Run the command; return what it says of itself."""
    return json.loads(
        project.governance("lineage", "emit", "--json", code=code, **variables).stdout
    )


def kept(project: BakedProject) -> list[Event]:
    """The events in the file."""
    return [json.loads(one) for one in project.read(FILE).splitlines()]


def ends(events: list[Event]) -> dict[str, Event]:
    """Job → the event with which it ended."""
    return {one["job"]["name"]: one for one in events if one["eventType"] != "START"}


def tags(event: Event) -> dict[str, str]:
    """What a run is tagged with."""
    return {one["key"]: one["value"] for one in event["run"]["facets"]["tags"]["tags"]}


def asserted(event: Event) -> list[Any]:
    """The expectations that were told of the table which `validate` read."""
    [table] = [one for one in event["inputs"] if one["inputFacets"]]
    return table["inputFacets"]["dataQualityAssertions"]["assertions"]


def edit(project: BakedProject, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file."""
    content = json.loads(project.read(name))
    change(content)
    project.write(name, json.dumps(content))


def test_the_events_of_a_whole_pipeline_are_openlineages(
    project: BakedProject, validator: Validator
) -> None:
    # Given a pipeline that was allowed, when it is told twice
    first, second = emitted(project), emitted(project)
    # Then nothing doubles, and every event is as OpenLineage has it
    assert first["new"] == first["told"] == 2 * len(STAGES) + 2
    assert (second["new"], second["told"]) == (0, first["told"])
    events = kept(project)
    for event in events:
        validator.validate(event)
    # And each stage started and completed once, under the one parent
    parent = events[0]["run"]["runId"]
    assert [one["eventType"] for one in events[:: len(events) - 1]] == ["START", "COMPLETE"]
    done = ends(events)
    assert done.keys() == {*STAGES, "line"}
    for stage in STAGES:
        mine = [one for one in events if one["job"]["name"] == stage]
        assert [one["eventType"] for one in mine] == ["START", "COMPLETE"]
        assert {one["run"]["runId"] for one in mine} == {done[stage]["run"]["runId"]}
        assert mine[0]["eventTime"] <= mine[1]["eventTime"]
        assert done[stage]["run"]["facets"]["parent"]["run"]["runId"] == parent
        assert tags(done[stage])["reused"] == "false"
    # And they say what was read and made, by digest and column, with which code, and the verdicts
    check_content(project, done)


def check_content(project: BakedProject, done: dict[str, Event]) -> None:
    """Hold the events against evidence, decision and commit."""
    ingest = json.loads(project.read("reports/evidence/ingest.json"))
    split = json.loads(project.read("reports/evidence/split.json"))
    raw = done["ingest"]["outputs"][0]
    assert raw["facets"]["version"]["datasetVersion"] == ingest["subject"]["inputs"][raw["name"]]
    fields = [(one["name"], one["type"]) for one in raw["facets"]["schema"]["fields"]]
    assert fields == [(one["name"], one["type"]) for one in ingest["body"]["columns"]]
    assert raw["outputFacets"]["outputStatistics"]["rowCount"] == ingest["body"]["rows"]
    train = {one["name"]: one for one in done["split"]["outputs"]}["data/split/train.parquet"]
    origins = train["facets"]["columnLineage"]["fields"]
    [income] = origins["income"]["inputFields"]
    assert (income["name"], income["field"]) == ("data/raw.parquet", "income")
    assert income["transformations"][0]["subtype"] == "IDENTITY"
    assert origins.keys() == {*split["body"]["numeric"], *split["body"]["categorical"], "__target"}
    assert {one["name"] for one in done["train"]["inputs"]} == {
        "data/split/train.parquet",
        "reports/evidence/split.json",
    }  # DVC knows of the folder, the evidence of the file that was read
    contract = json.loads(project.read("reports/evidence/validate.json"))["body"]["expectations"]
    assert len(asserted(done["validate"])) == len(contract)
    decision = json.loads(project.read("reports/decision.json"))
    tests = done["decide"]["run"]["facets"]["test"]["tests"]
    assert [one["name"] for one in tests] == [one["id"] for one in decision["rules"]]
    assert done["fairness"]["run"]["facets"]["test"]["tests"]
    place = done["train"]["job"]["facets"]["sourceCodeLocation"]
    assert place["version"] == baked.git(project.path, "rev-parse", "HEAD")
    assert project.has_file(place["path"])
    by = json.loads(project.read("reports/evidence/train.json"))["subject"]["engine"]
    ran = done["train"]["run"]["facets"]["processing_engine"]
    assert (ran["name"], ran["version"]) == ("governed-ml", by["version"])
    assert tags(done["train"])["engine"] == by["digest"]


def test_the_schema_refuses_what_the_client_lets_pass(
    project: BakedProject, validator: Validator
) -> None:
    # Given a good event, when it is spoiled in one way, then the test above would see it
    emitted(project)
    event = ends(kept(project))["validate"]
    spoiled: list[Callable[[Event], Any]] = [
        lambda one: one.update(eventTime="2026-01-01T00:00:00"),
        lambda one: one.update(eventType="DONE"),
        lambda one: one.update(producer="no uri"),
        lambda one: one["run"].update(runId="1"),
        lambda one: one["run"]["facets"].update(governance={}),
        lambda one: one["run"]["facets"]["parent"].pop("_schemaURL"),
        lambda one: asserted(one)[0].update(success="True"),
    ]
    for spoil in spoiled:
        other = json.loads(json.dumps(event))
        spoil(other)
        assert list(validator.iter_errors(other))


def test_addresses_are_escaped_to_valid_uris(project: BakedProject, validator: Validator) -> None:
    # Given a remote and a source whose addresses have what git and a storage allow
    baked.git(project.path, "remote", "add", "origin", "git@example.org:my team/modèle%20a.git")
    rewrite(project, "ingest", lambda one: one["body"].update(uri="s3://data/all 100%.csv?v=1"))
    # When the pipeline is told, then each is escaped once, and the rest of it is as it was
    events = kept_new(project)
    done = ends(events)
    assert done["line"]["producer"] == "https://example.org/my%20team/mod%C3%A8le%20a"
    source = done["ingest"]["inputs"][-1]
    assert source["facets"]["dataSource"]["uri"] == "s3://data/all%20100%25.csv?v=1"
    for event in events:
        validator.validate(event)


def test_a_reused_stage_is_reported_as_reused(project: BakedProject) -> None:
    # Given a second run in which only evaluate ran again, and what reads its evidence
    before = baked.git(project.path, "rev-parse", "HEAD")
    emitted(project)
    rewrite(
        project, "evaluate", lambda one: one["volatile"].update(started="2999-01-01T00:00:00+00:00")
    )
    # When it is told before its commit and after it
    once = ends(kept_new(project))
    baked.commit_all(project.path, "Evaluated again")
    twice = ends(kept_new(project))
    # Then it is another run, and the same one both times; what it took over says from where
    for done in (once, twice):
        reused = {stage for stage in STAGES if tags(done[stage])["reused"] == "true"}
        assert reused == set(STAGES) - {"evaluate", "document", "decide"}
        assert tags(done["train"])["reused_from"] == before
        assert "reused_from" not in tags(done["evaluate"])
    assert once["line"]["run"]["runId"] == twice["line"]["run"]["runId"]
    # And only what is in a commit has a place in one
    assert "sourceCodeLocation" not in once["train"]["job"]["facets"]
    head = baked.git(project.path, "rev-parse", "HEAD")
    assert twice["train"]["job"]["facets"]["sourceCodeLocation"]["version"] == head


def rewrite(project: BakedProject, gate: str, change: Callable[[Any], None]) -> None:
    """Change a stage's evidence as the stage does: the lock knows of it."""
    import hashlib

    name = f"reports/evidence/{gate}.json"
    old = hashlib.md5((project.path / name).read_bytes()).hexdigest()  # noqa: S324 - DVC's
    edit(project, name, change)
    new = hashlib.md5((project.path / name).read_bytes()).hexdigest()  # noqa: S324
    lock = project.read("dvc.lock")
    assert old in lock
    project.write("dvc.lock", lock.replace(old, new))


def kept_new(project: BakedProject) -> list[Event]:
    """The events that one more run of the command adds."""
    count = len(kept(project)) if project.has_file(FILE) else 0
    emitted(project)
    return kept(project)[count:]


def test_evidence_that_differs_from_the_lock_is_not_emitted(project: BakedProject) -> None:
    # Given evidence that was edited by hand, when the pipeline is told
    edit(project, "reports/evidence/fairness.json", lambda one: one["metrics"].clear())
    done = ends(kept_new(project))
    # Then nothing is told from it, and why is said
    assert "does not match its digest in dvc.lock" in tags(done["fairness"])["evidence"]
    assert "code" not in tags(done["fairness"])


def test_a_denied_model_completes_with_failed_tests(project: BakedProject) -> None:
    # Given a pipeline that was denied
    def deny(one: Any) -> None:
        one.update(verdict="deny")
        one["rules"][0].update(verdict="fail", reason="3 expectations broken", value=3.0)
        one["rules"][1].update(verdict="warn")

    edit(project, "reports/decision.json", deny)
    done = ends(kept_new(project))
    # Then every run completed, the rule's test failed, and a warning did not block
    assert {one["eventType"] for one in done.values()} == {"COMPLETE"}
    first, second = done["decide"]["run"]["facets"]["test"]["tests"][:2]
    assert (first["status"], first["severity"]) == ("fail", "error")
    assert first["description"] == "3 expectations broken"
    assert (second["status"], second["severity"]) == ("fail", "warn")
    assert tags(done["line"])["verdict"] == "deny"


def test_a_decision_edited_by_hand_is_not_emitted(project: BakedProject) -> None:
    # Given a decision in which a rule was made to fail less, and that says allow
    name = "reports/decision.json"
    kept_text = project.read(name)
    edit(project, name, lambda one: one["rules"][0].update(verdict="warn"))
    # When it is told or shown, then nobody is told that it is allowed
    done = ends(kept_new(project))
    said = "none: reports/decision.json says allow, but the policy does not allow"
    assert tags(done["line"])["verdict"].startswith(said)
    assert "test" not in done["decide"]["run"]["facets"]
    [account] = json.loads(project.governance("lineage", "show", "--json").stdout)
    assert account["policy"]["verdict"].startswith(said)
    # And a lock from which stages are gone is no pipeline
    project.write(name, kept_text)
    project.write("dvc.lock", project.read("dvc.lock").partition("  evaluate:\n")[0])
    done = project.governance("lineage", "emit", code=1)
    assert "dvc.lock does not prove that evaluate" in done.stderr


def test_a_pipeline_that_stopped_is_a_failed_run(
    project: BakedProject, validator: Validator
) -> None:
    # Given a pipeline that stopped at a stage in its middle
    people_stop = {
        "schema_version": 1, "verdict": "deny", "subject": {}, "policy_digest": None,
        "volatile": {}, "rules": [{"id": "train.stopped", "verdict": "fail", "value": None,
        "interval": None, "limit": None, "reason": "conf/model: cannot be fitted"}],
    }  # fmt: skip
    project.write("reports/decision.json", json.dumps(people_stop))
    events = kept_new(project)
    done = ends(events)
    # Then it failed, and so did the pipeline, with the reason; nothing after it is told
    assert done.keys() == {"line", "compose", "ingest", "validate", "split", "train"}
    for job in ("train", "line"):
        assert done[job]["eventType"] == "FAIL"
        message = done[job]["run"]["facets"]["errorMessage"]["message"]
        assert message == "train: conf/model: cannot be fitted"
    assert done["split"]["eventType"] == "COMPLETE"
    for event in events:
        validator.validate(event)
    # And without any decision the pipeline has not finished, and nothing is told
    (project.path / "reports/decision.json").unlink()
    said = project.governance("lineage", "emit", code=2).stderr
    assert "the pipeline has not finished" in said


@contextmanager
def endpoint(answer: int = 201, delay: float = 0) -> Generator[tuple[str, list[Event]]]:
    """A server on this machine that keeps what is posted to it."""
    got: list[Event] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(delay)
            if self.path == "/api/v1/lineage" and answer < 300:
                got.append(json.loads(body))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()


def canonical(events: list[Event]) -> Iterator[str]:
    """Events as texts that can be compared."""
    return (json.dumps(one, sort_keys=True) for one in events)


def test_a_dead_endpoint_loses_nothing_and_a_live_one_gets_the_same_set(
    project: BakedProject,
) -> None:
    # Given what the command takes without an endpoint
    emitted(project)
    start = time.monotonic()
    emitted(project)
    alone = time.monotonic() - start
    baseline = sorted(canonical(kept(project)))
    (project.path / FILE).unlink()
    # When the endpoint is refused, fails, or hangs
    with endpoint(delay=30) as (silent, _), endpoint(answer=503) as (failing, _):
        for url in ("http://127.0.0.1:9", failing, silent):
            start = time.monotonic()
            done = project.governance("lineage", "emit", "--json", code=1, OPENLINEAGE_URL=url)
            # Then two seconds at most were lost, and no event, and one line says so
            assert time.monotonic() - start < 2 * alone + 2  # a busy machine is not as fast twice
            assert json.loads(done.stdout)["seconds"] < 2
            assert sorted(canonical(kept(project))) == baseline
            assert f"did not get {len(baseline)} events" in done.stderr
            assert "Traceback" not in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
    # When it answers, then it gets all that is in the file, once, and later only what is new
    with endpoint() as (url, got):
        said = emitted(project, OPENLINEAGE_URL=url)
        assert (said["sent"], said["lost"]) == (len(baseline), 0)
        assert sorted(canonical(got)) == baseline
        assert emitted(project, OPENLINEAGE_URL=url)["sent"] == 0
        edit(project, "reports/decision.json", lambda one: one.update(verdict="deny"))
        assert emitted(project, OPENLINEAGE_URL=url)["sent"] > 0
        assert sorted(canonical(got)) == sorted(canonical(kept(project)))


def test_settings_without_a_transport_are_reported(project: BakedProject) -> None:
    # Given a setting that OpenLineage itself would pass over
    project.write("openlineage.yml", "transport: {typ: http, url: http://127.0.0.1:9}\n")
    # Then the command says so, and the file has the events all the same
    said = project.governance("lineage", "emit", code=2).stderr
    assert "do not say where to send events: set" in said
    assert kept(project)


SPEC = os.environ.get("SPEC_OF_OPENLINEAGE")


@pytest.mark.skipif(not SPEC, reason="SPEC_OF_OPENLINEAGE names no folder with OpenLineage's spec")
def test_the_events_validate_against_the_specifications_own_files(project: BakedProject) -> None:
    # Given `spec/` of OpenLineage's repository, when the events of a whole pipeline are told
    from referencing import Registry, Resource

    folder = Path(SPEC or "")
    files = {path.name: path for path in (*folder.glob("*.json"), *folder.glob("facets/*.json"))}

    def retrieve(uri: str) -> Any:  # whatever version a file asks for, there is one of each
        text = files[uri.rpartition("/")[2]].read_text(encoding="utf-8")
        return Resource.from_contents(json.loads(text))

    registry: Any = Registry(retrieve=retrieve)
    event_schema, facets = openlineage_schemas.official(folder)
    checker = Validator.FORMAT_CHECKER

    def check(schema: Any, value: Any) -> None:
        Validator(schema, registry=registry, format_checker=checker).validate(value)

    emitted(project)
    for event in kept(project):
        # Then each is as the specification has it, and so is each facet, of which it knows all
        check(event_schema, event)
        held = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
        kinds = ("facets", "inputFacets", "outputFacets")
        for key, value in (
            (k, v) for one in held for kind in kinds for k, v in one.get(kind, {}).items()
        ):
            assert key in facets, f"the specification has no facet {key}"
            check(facets[key], {key: value})

"""Reference pages say what the code says: `python tasks.py reference` writes them anew."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import reference_commands
import reference_configuration
import reference_evidence
import reference_metrics
import reference_pages
import reference_sources
import typer
import yaml
from baked import TEMPLATE
from pydantic import BaseModel
from reference_events import EVENTS

from governed_ml.cli.app import app
from governed_ml.core.evidence import Timing
from governed_ml.core.evidence_bodies import BODY_OF_GATE
from governed_ml.ledger.events import Action, Event
from governed_ml.ledger.production.windows import WindowRecord
from governed_ml.measures import fairness, fairness_regression
from governed_ml.measures.multiclass import performance as multiclass
from governed_ml.policy import metric_words

PAGES = ("commands.md", "configuration.md", "events.md", "evidence.md", "serving-metrics.md")
BY_CONSTANTS = {
    "train": {"unmitigated_{}"},
    "evaluate": {
        *get_args(Timing),
        *(f"class.{{}}.{name}" for name in (*multiclass.MACRO, multiclass.CALIBRATION)),
    },
    "fairness": {
        f"{{}}.class.{{}}.{one}_{kind}"
        for one in fairness.MEASURES
        for kind in ("difference", "ratio")
    }
    | {
        f"{{}}.{name}"
        for name in (
            *(f"{one}_{kind}" for one in fairness.MEASURES for kind in ("difference", "ratio")),
            *(*fairness_regression.GAPS, fairness_regression.RATIO),
        )
    },
}
"""Gate → metrics whose names its measures put together."""


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages, as the code is now."""
    return reference_pages.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_says_what_the_code_says(name: str, pages: dict[str, str]) -> None:
    # Given the code, when a page is made from it, then the committed page is the same
    assert pages.keys() == set(PAGES)
    committed = (reference_pages.DOCS / name).read_text(encoding="utf-8")
    assert committed == pages[name], "run `python tasks.py reference`"


def test_every_command_has_a_section(pages: dict[str, str]) -> None:
    # Given the commands, when the page is read, then each has a section with its summary
    found = dict(reference_commands.commands(typer.main.get_command(app)))
    assert len(found) > 30
    for words, command in found.items():
        assert (
            f"### `governance {' '.join(words)}`\n\n{summary(command.help)}" in pages["commands.md"]
        )


def test_examples_stand_as_code_under_their_command(pages: dict[str, str]) -> None:
    # Given the commands, when the page is read, then each example is a line of code
    sections = re.split(r"^###? ", pages["commands.md"], flags=re.M)
    for words, command in reference_commands.commands(typer.main.get_command(app)):
        found = re.findall(r"^ +(.*\buv run .+)$", command.help, re.M)
        section = next(one for one in sections if one.startswith(f"`governance {' '.join(words)}`"))
        assert re.findall(r"^ {4}(.*\buv run .+)$", section, re.M) == found
        assert ("\nExamples:\n" in section) == bool(found)
    # And no page has a sign that only a terminal needs
    assert [
        name for name, text in pages.items() if re.search(r"[^\S\n ]|[\x00-\x09\x0b-\x1f]", text)
    ] == []


def summary(text: str) -> str:
    """The first paragraph of a help text, as the page has it."""
    return reference_pages.wrapped(text.split("\n\n")[0])


MODELS: list[type[BaseModel]] = [
    *(one for found in reference_configuration.SECTIONS.values() for one in found),
    *reference_evidence.COMMON,
    *BODY_OF_GATE.values(),
    *(one for body in BODY_OF_GATE.values() for one in reference_evidence.inner(body)),
    *(Event, WindowRecord),
]


@pytest.mark.parametrize("model", dict.fromkeys(MODELS), ids=lambda one: one.__name__)
def test_every_field_is_described(model: type[BaseModel]) -> None:
    # Given a model of a page, when its fields are read, then each says what it is for
    lost = [name for name, field in model.model_fields.items() if not field.description]
    assert lost == []


def test_every_part_of_the_configuration_has_a_section() -> None:
    # Given what the configuration is made of, when the page's sections are compared with it
    listed = {one for found in reference_configuration.SECTIONS.values() for one in found}
    # Then none lacks
    assert listed == reference_configuration.places().keys()


@pytest.mark.parametrize("gate", BODY_OF_GATE)
def test_every_metric_of_a_stage_is_described(gate: str) -> None:
    # Given the metrics that a stage's source spells out, and those that constants name
    written = reference_sources.written(gate) | BY_CONSTANTS.get(gate, set())
    # When the table is compared with them, then it has each of them, and no other
    described = {reference_metrics.pattern(one.name) for one in metric_words.METRICS[gate]}
    assert described == written


def unknown(names: list[str], described: list[str]) -> list[str]:
    """The names of metrics that fit no described name; `{…}` stands for any text."""
    forms = [re.sub(r"\\\{\w+\\\}", ".+", re.escape(one)) for one in described]
    return [one for one in names if not any(re.fullmatch(form, one) for form in forms)]


def test_every_metric_that_a_rule_names_is_described() -> None:
    # Given the shipped rules, when the metrics that they name are looked up
    policy = yaml.safe_load((TEMPLATE / "conf/policy/base.yaml").read_text(encoding="utf-8"))
    named = [one["metric"] for one in policy["rules"].values() if "metric" in one]
    windows = [one["metric"] for one in policy["monitoring"]["rules"].values()]
    assert len(named) > 20
    assert len(windows) > 8
    # Then the page has each
    metrics = metric_words.METRICS
    gates = [f"{gate}.{one.name}" for gate, rows in metrics.items() for one in rows]
    assert unknown(named, gates) == []
    assert unknown(windows, [one.name for one in reference_metrics.WINDOW]) == []
    # And one that no stage writes is found
    assert unknown(["evaluate.rocauc"], gates) == ["evaluate.rocauc"]


def test_every_event_is_described_with_what_it_holds() -> None:
    # Given the ledger's events, and the details that the source gives to each
    found = reference_sources.events(get_args(Action))
    # When the table is compared with them, then it has each event, and each key of its details
    assert EVENTS.keys() == found.keys()
    for action, (fields, details) in found.items():
        assert fields <= Event.model_fields.keys(), action
        assert details <= EVENTS[action].details.keys(), action
    # And the search finds what it looks for
    assert found["promoted"][1] == {"from", "not_compared", "protected", "canary"}
    assert {"reason", "from"} <= found["rollback_asked"][1]


def test_every_event_names_commands_that_exist() -> None:
    # Given the commands that write events, when they are looked up, then each is there
    known = {
        " ".join(words) for words, _ in reference_commands.commands(typer.main.get_command(app))
    }
    named = {one.partition(" --")[0] for told in EVENTS.values() for one in told.commands}
    assert named <= known

"""No text in a card or another document is markup, and a template belongs to its stage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from measured_cards import (  # noqa: F401 - fixtures, too
    HOSTILE,
    Measured,
    measured_release,
    release_folder,
)

from governed_ml.core.code import engine, stage_code
from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Project
from governed_ml.core.evidence import Finding, Metric
from governed_ml.core.evidence_bodies import Attribute
from governed_ml.core.problem import Problem
from governed_ml.pipeline.documents import markdown, templates


def hostile(measured: Measured) -> Measured:
    """The same, in which every name and note that comes from data or people is an attack."""
    body = measured.found["fairness"].body
    groups = [one.model_copy(update={"name": HOSTILE}) for one in body.attributes[0].groups]
    attribute = Attribute(name=HOSTILE, columns=[HOSTILE], groups=groups)
    gap = Metric(value=0.1, lower=0.0, upper=0.2, n=3, note=HOSTILE)
    lost = Metric(value=None, note=HOSTILE)
    found = measured.with_body("fairness", attributes=[attribute])
    found = found.with_evidence(
        "fairness",
        metrics={f"{HOSTILE}.demographic_parity_difference": gap, f"{HOSTILE}.proxy_auc": gap},
        findings=[Finding(what=HOSTILE, where=HOSTILE, value=0.1)],
    )
    found = found.with_body(
        "train", numeric=[HOSTILE], model=HOSTILE, parameters={HOSTILE: HOSTILE}
    )
    found = found.with_evidence("train", tools={HOSTILE: HOSTILE})
    found = found.with_metrics("evaluate", **{HOSTILE: lost}, max_leak=gap)
    found = found.with_body("explain", importance={HOSTILE: 0.5}, output=HOSTILE)
    column = found.found["drift"].body.columns[0].model_copy(update={"name": HOSTILE})
    found = found.with_body("drift", columns=[column])
    found = found.with_body("split", sensitive={HOSTILE: {HOSTILE: 5}}, cut=HOSTILE, person=HOSTILE)
    columns = [found.found["ingest"].body.columns[0].model_copy(update={"name": HOSTILE})]
    found = found.with_body("ingest", columns=columns, uri=HOSTILE, source=HOSTILE)
    project = Project(
        name=HOSTILE, organisation=HOSTILE, risk_tier="high", risk_owner=HOSTILE,
        model_owner=HOSTILE,
    )  # fmt: skip
    data = Data.model_construct(name=HOSTILE, target=HOSTILE, no_sensitive_reason=HOSTILE)
    return found._replace(project=project, data=data)


READ = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SHAPES = ("code_inline", "softbreak", "text", "strong_open", "strong_close", "text_special")


def shape(text: str) -> list[str]:
    """What a document consists of, texts left out: every mark that a reader of Markdown sees."""
    tokens = READ.parse(text)
    inside = [one.type for token in tokens for one in token.children or []]
    return [one.type for one in tokens] + [one for one in inside if one not in SHAPES]


@pytest.mark.parametrize("card", [Measured.model, Measured.table], ids=["model", "data"])
def test_no_text_in_a_card_is_markup(measured: Measured, card: Callable[[Measured], str]) -> None:
    # Given names and notes that are attacks, when a card is written and read as Markdown
    text = card(hostile(measured))
    # Then it holds what it holds with the same evidence and plain names, and nothing else
    whole = text.replace(markdown.escaped(HOSTILE), "word")
    assert HOSTILE not in text
    assert "<script>" not in text
    assert shape(text) == shape(whole)
    kinds = set(shape(text))
    assert not {"html_inline", "html_block", "image", "fence", "code_block"} & kinds
    # And its links are those of the template
    links = [
        one.attrs.get("href")
        for token in READ.parse(text)
        for one in token.children or []
        if one.type == "link_open"
    ]
    assert set(links) == ({"data_card.md"} if card is Measured.model else {"model_card.md"})
    # And each table row has as many cells as its heading
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


@example("~~a~~ **b** __c__ ![d](e)")
@given(st.text() | st.text(alphabet="ab_*`[]()<>|\\~&;#$@:/w.! \n\u200b\u202e"))
def test_whatever_a_name_is_it_reads_as_it_is(name: str) -> None:
    # Given any text, when it is written between words and read as Markdown
    plain = " ".join("".join(one for one in name if one.isprintable() or one.isspace()).split())
    for write in (markdown.escaped, markdown.code):
        (_, inline, _) = READ.parse(f"x {write(name)} y")
        # Then the reader sees the text, and nothing in it is markup
        kinds = {one.type for one in inline.children or []}
        assert kinds <= {"text", "text_special", "code_inline"}
        seen = "".join(one.content for one in inline.children or [])
        assert seen.replace("\u200b", "") == f"x {plain} y"
        # And no table would be torn
        assert "|" not in write(name)
        assert "\n" not in write(name)


@given(st.text(alphabet="htps:/w.@ab"))
def test_no_name_becomes_a_link(name: str) -> None:
    # Given any mixture of what links consist of, when it is written as text, then it is none
    assert not re.search(r"@\w|://|www\.", markdown.escaped(name), re.IGNORECASE)


@pytest.mark.parametrize(
    ("value", "number", "percent"),
    [
        (None, "–", "–"),
        (0.0, "0", "0 %"),
        (-0.0, "0", "0 %"),
        (1.0, "1", "100 %"),
        (0.81398, "0.814", "81.4 %"),
        (0.9996, "0.9996", "99.96 %"),
        (0.99999, "0.99999", "99.999 %"),
        (-0.25, "-0.25", "-25 %"),
        (0.000123456, "0.000123", "0.0123 %"),
        (0.0000844, "0.0000844", "0.00844 %"),
        (1.5e-9, "1.5e-09", "1.5e-07 %"),
        (999.7, "1,000", "99,970 %"),
        (1234.56, "1,235", "123,456 %"),
        (170000.0, "170,000", "17,000,000 %"),
    ],
)
def test_numbers_read_as_people_write_them(value: float | None, number: str, percent: str) -> None:
    assert templates.number(value) == number
    assert templates.percent(value) == percent


# Templates


TEMPLATES = [path for path in engine.files() if path.suffix == stage_code.TEMPLATE]


def test_no_template_goes_around_the_escape() -> None:
    # Given every template, when it is searched for what makes text of a value before it is escaped
    assert len(TEMPLATES) >= 4
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        # Then there is nothing of the kind, and the module that fills it lies beside it
        assert not re.search(r"\|\s*safe\b|~|autoescape|\|\s*(replace|format)\b.*code", text), path
        assert path.with_name(path.name.partition(".")[0] + ".py").is_file()


def test_a_template_is_code_of_the_stages_that_fill_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given the files behind stages, when templates are looked for among them
    found = {
        stage: {path.name for path in stage_code.modules(stage) if path in TEMPLATES}
        for stage in stage_code.runnable()
    }
    # Then each stage has its own, so that `dvc repro` runs again what an edit concerns
    assert {stage: names for stage, names in found.items() if names} == {
        "document": {"model_card.md.jinja", "data_card.md.jinja"},
        "validate": {"contract_page.html.jinja"},
    }
    # And an edit of a template changes the digest of its stage alone
    before = stage_code.digests(package(tmp_path))
    digest = stage_code.file_digest
    edited = "model_card.md.jinja"
    monkeypatch.setattr(
        stage_code, "file_digest", lambda path: "other" if path.name == edited else digest(path)
    )
    after = stage_code.digests(tmp_path)
    assert {stage for stage in before if before[stage] != after[stage]} == {"document"}


def package(base: Path) -> Path:
    """A project with an empty package of the team."""
    (base / "pyproject.toml").write_text('[tool.governed-ml]\npackage = "own"\n', encoding="utf-8")
    (base / "src/own").mkdir(parents=True)
    (base / "src/own/__init__.py").write_text("", encoding="utf-8")
    return base


def test_a_template_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    # Given a template that asks for what is not there, when it is filled
    template = tmp_path / "x.md.jinja"
    template.write_text("{{ nothing }}", encoding="utf-8")
    with pytest.raises(Problem) as refused:
        templates.fill(template, markdown.escaped, {})
    # Then the line names it, and says what to do
    assert str(refused.value) == ("x.md.jinja: 'nothing' is undefined: install governed-ml again")

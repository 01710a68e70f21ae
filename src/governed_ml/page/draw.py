"""Draw `reports/index.html`: one self-contained file without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.core.drawing import svg
from governed_ml.core.drawing.style_sheet import style
from governed_ml.core.files import PAGE, write_text
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.page import ledger_sections
from governed_ml.page.records import Records, gather
from governed_ml.page.standing_verdict import standing
from governed_ml.page.views import view
from governed_ml.policy.limits import number

HERE = Path(__file__).parent


def draw(
    base: Path, running: str = "", changed: Sequence[str] = (), params: Params | None = None
) -> tuple[Path, str]:
    """Write the page atomically; return its path and the verdict that it shows.

    `running` is the stage that calls it, `changed` why the evidence is not about the current files.
    `params` is the composed configuration, if the caller has it.
    """
    records = gather(base, running, changed, params)
    write_text(base / PAGE, html(records))
    return PAGE, standing(records).verdict


def html(records: Records) -> str:
    """Return the page's HTML.

    All text is escaped, and only the page's own style sheet is allowed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

    entries = [] if isinstance(records.ledger, Unusable) else records.ledger
    counted = entries if isinstance(records.life, Unusable) else records.life.counted
    void = [] if isinstance(records.life, Unusable) else records.life.void
    environment = Environment(
        autoescape=True,
        finalize=_printable,
        loader=FileSystemLoader(HERE),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "num": _number,
        "rate": _rate,
        "pct": lambda value: f"{value * 100:.2f} %",
        "when": lambda text: str(text).replace("T", " ").removesuffix("Z"),
        "words": lambda text: str(text).replace("_", " "),
    }
    environment.tests["unusable"] = lambda value: isinstance(value, Unusable)
    try:
        return environment.get_template("page.html").render(
            view(records) | style(),
            monitoring=ledger_sections.monitoring(counted),
            production=ledger_sections.columns(records.latest, counted),
            approvals=ledger_sections.approvals(counted),
            void=[str(one) for one in void],
            events=ledger_sections.events(entries),
            watch=ledger_sections.watch(records),
        )
    except TemplateError as error:
        raise Problem(
            f"{HERE.name}/page.html: {first_line(error)}: install governed-ml again"
        ) from error


def _number(value: float | None) -> str:
    return "–" if value is None else number(float(value))


def _rate(value: float | None) -> str:
    """Return a number with four decimals, so that numbers in a column align."""
    return "–" if value is None else f"{value:.4f}" if abs(value) < 100 else number(value)


def _printable(value: Any) -> Any:
    """Remove non-printing characters from all texts; drawn parts are left unchanged."""
    text = value.reason if isinstance(value, Unusable) else value
    return svg.plain(text) if isinstance(text, str) and not hasattr(text, "__html__") else text

"""Draw `reports/index.html`: one file, without a script and without an address it would load."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from governed_ml.core.config.params import Params
from governed_ml.core.files import PAGE, write_text
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.page import ledger_sections, svg
from governed_ml.page.records import Records, gather
from governed_ml.page.standing_verdict import standing
from governed_ml.page.views import view
from governed_ml.policy.limits import number

HERE = Path(__file__).parent


def draw(
    base: Path, running: str = "", changed: Sequence[str] = (), params: Params | None = None
) -> tuple[Path, str]:
    """Write the page, whole or not at all; return where, and which verdict it shows.

    `running`: the stage that asks for it. `changed`: why the evidence is not about what lies here.
    `params`: what `conf/` composes to, if the caller knows it.
    """
    records = gather(base, running, changed, params)
    write_text(base / PAGE, html(records))
    return PAGE, standing(records).verdict


def html(records: Records) -> str:
    """Return the page. Every text is escaped, and no style but the page's own counts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

    entries = [] if isinstance(records.ledger, Unusable) else records.ledger
    counted = entries if isinstance(records.life, Unusable) else records.life.counted
    void = [] if isinstance(records.life, Unusable) else records.life.void
    style = (HERE / "page.css").read_text(encoding="utf-8")
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
            view(records),
            style=svg.Markup(style),
            style_digest=b64encode(hashlib.sha256(style.encode()).digest()).decode(),
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
    """Return a number as its neighbours in a column: four places after the point."""
    return "–" if value is None else f"{value:.4f}" if abs(value) < 100 else number(value)


def _printable(value: Any) -> Any:
    """Take out of every text what does not print; what is drawn comes as it is."""
    text = value.reason if isinstance(value, Unusable) else value
    return svg.plain(text) if isinstance(text, str) and not hasattr(text, "__html__") else text

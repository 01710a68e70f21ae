"""What the stage `document` reads of a sealed release, and the parts of the cards it makes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from baked import ROOT

from governed_ml.core.config.data import Data
from governed_ml.core.config.params import Project
from governed_ml.core.evidence import AnyEvidence, Metric, collect, usable
from governed_ml.pipeline import cards
from governed_ml.pipeline.documents import data_card, model_card

RELEASE = ROOT / "tests/compat/0.2.0.zip"
HOSTILE = (
    "a|b*c_ ~~d~~ __e__ <script>x</script> [x](//evil.example) `y` $z$ &lt; @octocat\n\n# h\n- i \\"
)


class Measured(NamedTuple):
    """What the stage `document` reads; both cards can be made of it."""

    project: Project
    data: Data
    found: dict[str, AnyEvidence]

    def model(self) -> str:
        """The model card for people."""
        return model_card.text(cards.model_card(self.project, self.found), self.data, self.found)

    def table(self) -> str:
        """The data card for people."""
        return data_card.text(cards.data_card(self.data, self.found), self.project, self.found)

    def with_body(self, gate: str, **values: Any) -> Measured:
        """The same with other values in the body of a gate."""
        body = self.found[gate].body.model_copy(update=values)
        return self.with_evidence(gate, body=body)

    def with_metrics(self, gate: str, **metrics: Metric) -> Measured:
        """The same with more metrics, or others."""
        return self.with_evidence(gate, metrics=self.found[gate].metrics | metrics)

    def with_evidence(self, gate: str, **values: Any) -> Measured:
        """The same with other evidence of a gate."""
        other = self.found[gate].model_copy(update=values)
        return self._replace(found=self.found | {gate: other})


@pytest.fixture(name="folder", scope="module")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an earlier engine measured of the default project, as its release holds it."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(RELEASE) as archive:
        archive.extractall(folder)
    return folder / "bundle" / "governance"


@pytest.fixture(name="measured", scope="module")
def measured_release(folder: Path) -> Measured:
    """The same, read."""
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    kept = {name: params["data"].get(name, "") for name in ("name", "target")}
    return Measured(
        Project.model_validate(params["project"]),
        Data.model_construct(**kept, no_sensitive_reason=""),
        dict(usable(collect(folder))),
    )


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in a text, headings and rulers left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[one.strip() for one in line.strip("|").split("|")] for line in lines]
    rulers = [place for place, row in enumerate(cells) if set("".join(row)) <= set("-:")]
    skipped = {*rulers, *(place - 1 for place in rulers)}
    return [row for place, row in enumerate(cells) if place not in skipped]


# The default project

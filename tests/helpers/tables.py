"""Real tables, and how a project is configured for each: the files that the README tells to write.

Adult: Becker & Kohavi 1996, doi 10.24432/C5XW20. Default of credit card clients: Yeh & Lien 2009,
doi 10.24432/C55S3H. Bike sharing: Fanaee-T 2013, doi 10.24432/C5W894. Parkinson's telemonitoring:
Tsanas & Little 2009, doi 10.24432/C5ZS3N. All CC BY 4.0, from UCI.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import baked

FOLDER = Path(os.environ.get("GOVERNED_ML_DATA") or baked.ROOT / "../shared/data")
TIERS = ("minimal", "limited", "high")

ADULT = """\
# Census income (Becker & Kohavi 1996): does a person earn more than 50,000 dollars a year?
name: adult
task: classification
source:
  kind: file
  path: data/source/adult.csv
  missing: ["?", ""]
target: income
positive: ">50K"
sensitive:
  sex: {}
  race: {}
drop: [fnlwgt, education] # a sampling weight; education-num says the same as education
contract: governance/expectations/adult.json
"""

CREDIT_DEFAULT = """\
# Credit card clients in Taiwan (Yeh & Lien 2009): who pays next month? Favourable is no default: 0.
name: credit_default
task: classification
source:
  kind: file
  path: data/source/credit_default_taiwan.csv
target: default.payment.next.month
positive: 0
sensitive:
  SEX:
    labels: {1: male, 2: female} # codes become names; a code without a name stays as it is
  AGE:
    bins: [30, 40, 50, 60] # <30, 30-40 (without 40), …, >=60
drop: [ID]
categorical: [EDUCATION, MARRIAGE] # numbers that are codes
contract: governance/expectations/credit_default.json
"""

BIKE_SHARING = """\
# Bike rentals by the hour (Fanaee-T 2013); the latest days are the test.
name: bike_sharing
task: regression
source:
  kind: file
  path: data/source/bike_sharing_hour.csv
target: cnt
no_sensitive_reason: a row is an hour of a city's rentals, not a person
drop: [instant, casual, registered] # a row number; the two add up to cnt
categorical: [season, weekday, weathersit]
time: dteday
contract: governance/expectations/bike_sharing.json
"""

PARKINSONS = """\
# Telemonitoring of Parkinson's disease (Tsanas & Little 2009): a clinician's score, from the voice.
name: parkinsons
task: regression
source:
  kind: file
  path: data/source/parkinsons_telemonitoring.csv
target: total_UPDRS
sensitive:
  sex:
    labels: {0: male, 1: female}
  age:
    bins: [60, 70]
drop: [motor_UPDRS] # a part of total_UPDRS
group: "subject#" # all recordings of a person stay on one side
contract: governance/expectations/parkinsons.json
"""


@dataclass(frozen=True)
class RealTable:
    """One table: its file, `conf/data/<name>.yaml`, and what `conf/config.yaml` chooses."""

    name: str
    file: str
    yaml: str
    model: str
    split: str
    failing: dict[str, str] = field(default_factory=dict)  # tier → a rule that must fail
    seldom: bool = False  # only in the nightly run
    named: str = ""  # which groups (or what else) that rule's reason must name

    @property
    def path(self) -> Path:
        """Where the table lies, outside the project."""
        return FOLDER / self.file

    def configure(self, project: baked.BakedProject) -> None:
        """Put the table into the project and choose it, as the README says."""
        shutil.copy(self.path, project.path / "data" / "source" / self.file)
        project.write(f"conf/data/{self.name}.yaml", self.yaml)
        choose(project, data=self.name, model=self.model, split=self.split)


def choose(project: baked.BakedProject, **groups: str) -> None:
    """Choose members of config groups in `conf/config.yaml`: `choose(project, policy="high")`."""
    text = project.read("conf/config.yaml")
    for group, member in groups.items():
        text, found = re.subn(rf"(?m)^  - {group}: .*$", f"  - {group}: {member}", text)
        assert found == 1, f"conf/config.yaml names {group} {found} times"
    project.write("conf/config.yaml", text)


REAL = (
    RealTable(
        name="adult",
        file="adult.csv",
        yaml=ADULT,
        model="hist_gradient_boosting_classifier",
        split="random",
        failing=dict.fromkeys(("limited", "high"), "fairness.demographic_parity[sex]"),
        named="Female vs Male",
    ),
    RealTable(
        name="credit_default",
        file="credit_default_taiwan.csv",
        yaml=CREDIT_DEFAULT,
        model="hist_gradient_boosting_classifier",
        split="random",
        seldom=True,
    ),
    RealTable(
        name="bike_sharing",
        file="bike_sharing_hour.csv",
        yaml=BIKE_SHARING,
        model="hist_gradient_boosting_regressor",
        split="time",
        seldom=True,
        failing=dict.fromkeys(TIERS, "drift.data[yr]"),
        named="at most 0.25 allowed",
    ),
    RealTable(
        name="parkinsons",
        file="parkinsons_telemonitoring.csv",
        yaml=PARKINSONS,
        model="hist_gradient_boosting_regressor",
        split="group",
        seldom=True,
        failing=dict.fromkeys(TIERS, "evaluate.r2"),
        named="at least",
    ),
)

"""What may be configured: closed models of what `conf/` composes to, and typed access to it.

`conf/` is the source; the stage `compose` writes the composition to `params.yaml`; every later
stage reads from there only the sections that it names in `dvc.yaml`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)

from governed_ml.core.problem import Problem, explain_invalid

Task = Literal["classification", "regression"]
Scalar = str | int | float | bool | None
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # never "0.1", never true
Count = Annotated[int, Field(strict=True, ge=1)]


class Closed(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Project(Closed):
    """Who answers for the model."""

    name: str
    organisation: str
    risk_tier: Literal["minimal", "limited", "high"]
    risk_owner: str
    model_owner: str


class Source(Closed):
    """Where the table comes from: a file or URL, a database, OpenML, the synthetic credit book."""

    kind: Literal["file", "sql", "openml", "synthetic"]
    path: str | None = Field(
        default=None, description="file: CSV, Parquet or JSON; a path or a URL"
    )
    delimiter: str | None = Field(
        default=None, description="file: CSV delimiter; by default detected"
    )
    missing: list[str] = Field(default=[""], description="file: texts that mean a missing value")
    url: str | None = Field(
        default=None,
        description="sql: a SQLAlchemy URL, or the NAME of an environment variable as env:NAME",
    )
    query: str | None = Field(default=None, description="sql: the SELECT statement")
    openml_id: int | None = Field(default=None, description="openml: the data set's number")
    rows: Count | None = Field(default=None, description="synthetic: number of rows")
    faults: list[str] = Field(default=[], description="synthetic: named faults to switch on")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {
            "file": ["path"],
            "sql": ["url", "query"],
            "openml": ["openml_id"],
            "synthetic": ["rows"],
        }
        lost = [name for name in needs[self.kind] if getattr(self, name) in (None, "")]
        if lost:
            raise ValueError(f"source.kind {self.kind} needs {' and '.join(lost)}")
        return self


def _code(key: object) -> object:
    """Return a whole number as text: `labels: {1: male}` is what people write."""
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else key


Code = Annotated[str, BeforeValidator(_code)]


class Sensitive(Closed):
    """How one sensitive attribute becomes groups: as it is, in numeric bins, or relabelled."""

    bins: list[Number] | None = Field(
        default=None, min_length=1, description="inner edges; a value equal to an edge goes right"
    )
    labels: dict[Code, str] | None = Field(
        default=None, description="code in the table → name of the group"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.bins is not None and self.labels is not None:
            raise ValueError("give either bins or labels")
        if self.bins is not None and len(set(self.bins)) < len(self.bins):
            raise ValueError("an edge is there twice in bins")
        return self


class Data(Closed):
    """One table and what its columns mean."""

    name: str
    task: Task
    source: Source
    target: str
    positive: Scalar = Field(
        default=None, description="classification: the target's favourable value"
    )
    sensitive: dict[str, Sensitive] = {}
    no_sensitive_reason: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        default="", description="why there is no sensitive attribute to name"
    )
    drop: list[str] = Field(default=[], description="columns that are no features (keys, weights)")
    proxies: list[str] = Field(
        default=[], description="columns that stand in for a sensitive attribute: no features"
    )
    categorical: list[str] = Field(default=[], description="numeric codes that are categories")
    time: str | None = None
    group: str | None = None
    contract: str = Field(description="the Great Expectations suite")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task == "classification" and self.positive is None:
            raise ValueError("positive is missing: name the target's favourable value")
        roles = [self.target, *self.sensitive, *self.drop]
        twice = sorted({name for name in roles if roles.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles among target, sensitive and drop")
        return self


class Split(Closed):
    """How rows are divided: random (stratified), by group, or by time."""

    kind: Literal["random", "group", "time"]
    test_share: Number = Field(gt=0, lt=1)


class Model(Closed):
    """One estimator; `estimator` is what `hydra.utils.instantiate` gets."""

    name: str
    estimator: dict[str, Any]
    attributes: list[str] | None = Field(
        default=None,
        min_length=1,
        description="mitigation: fair to these sensitive attributes; by default to all",
    )

    def targets(self) -> list[str]:
        """Return every `_target_` that Hydra would call: the estimator's, then those within it."""
        return _targets(self.estimator) if self.estimator.get("_target_") else [""]


def _targets(node: object) -> list[str]:
    if isinstance(node, list):
        return [name for item in node for name in _targets(item)]
    if not isinstance(node, dict):
        return []
    own = [str(node["_target_"])] if "_target_" in node else []
    return own + [name for value in node.values() for name in _targets(value)]


class AsGiven(Closed):
    """What is not set is left out: DVC reads and compares every line of `params.yaml`."""

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Rule(AsGiven):
    """One rule: a limit on a metric, or a CEL expression."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")
    metric: str | None = None
    each: Literal["feature", "attribute", "sensitive"] | None = None  # sensitive: intersections too
    task: Task | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    warn: Number | None = None
    block: Number | None = None
    evidence: Literal["point", "interval"] = "point"
    minimum_n: Count | None = None
    when: str | None = None
    require: str | None = None
    owner: str

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.metric is None) == (self.require is None):
            raise ValueError(f"rule {self.id}: give either metric or require")
        if self.metric is not None and self.warn is None and self.block is None:
            raise ValueError(f"rule {self.id}: a metric needs a limit (warn, block or both)")
        if self.require is not None and (self.warn is not None or self.block is not None):
            raise ValueError(f"rule {self.id}: require takes no warn or block")
        if (self.each is not None) != ("{each}" in (self.metric or "")):
            raise ValueError(f"rule {self.id}: each goes with {{each}} in metric")
        return self


class Watch(AsGiven):
    """One rule of a window of production: what a metric asks for beyond which limit."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")
    metric: str
    each: Literal["feature", "sensitive"] | None = None
    task: Task | None = None
    bound: Literal["at_most", "at_least"] = "at_most"
    warn: Number | None = None
    retrain: Number | None = None
    rollback: Number | None = None
    minimum_n: Count | None = None
    owner: str

    @property
    def limits(self) -> dict[Literal["warn", "retrain", "rollback"], float]:
        """Return level → limit, mildest first."""
        found = {"warn": self.warn, "retrain": self.retrain, "rollback": self.rollback}
        return {level: limit for level, limit in found.items() if limit is not None}  # pyright: ignore[reportReturnType]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        limits = list(self.limits.values())
        if not limits:
            raise ValueError(f"rule {self.id}: give warn, retrain or rollback")
        if limits != sorted(limits, reverse=self.bound == "at_least"):
            raise ValueError(f"rule {self.id}: a milder level has to come first ({self.bound})")
        if (self.each is not None) != ("{each}" in self.metric):
            raise ValueError(f"rule {self.id}: each goes with {{each}} in metric")
        return self


class Monitoring(Closed):
    """When a window of production counts, and what it asks for."""

    minimum_rows: Count = Field(description="fewer are no window")
    maximum_age_days: Count = Field(description="of a window's newest row: an older one is stale")
    liveness_days: Count = Field(description="without a measured window nothing is promoted")
    rollback_windows: Count = Field(description="in a row at the last level before a roll-back")
    retrain_every_days: Count = Field(description="one retraining in so many days at most")
    rules: list[Watch] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is there twice")
        return self


class Waiver(Closed):
    """An owner's decision to live with one rule for a time."""

    rule: str
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
    approved_by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)]
    expires: date


class Approvals(Closed):
    """Who has to say yes before a model moves; nobody approves own work, whatever stands here."""

    roles: list[str] = Field(min_length=1, description="one approval each, by different people")
    valid_days: Count


class EngineTerms(Closed):
    """For how long measurements of an earlier engine count."""

    accept_days: int = Field(
        strict=True,
        ge=0,
        description="days after its registration in which a version that another engine measured "
        "can be approved and promoted",
    )


class Perturbation(Closed):
    """How far numeric features are moved, and what counts as another answer."""

    size: Number = Field(gt=0, description="in standard deviations of the feature in train")
    tolerance: Number = Field(gt=0, description="regression: likewise, of the target")


class Risk(Closed):
    """What the gates count for in the risk score."""

    weights: dict[str, Annotated[Number, Field(gt=0)]]


LATER = ("engine",)
"""Sections that policies of earlier engines did not have: where one is not set, it is left out of
the dump, so that such a policy keeps its digest.
"""


def _without_unset(model: BaseModel, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
    unset = [name for name in LATER if getattr(model, name) is None]
    return {name: value for name, value in handler(model).items() if name not in unset}


class Floor(Closed):
    """An organisation's policy file, pinned by digest, that no limit may undercut."""

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rules: list[Rule] = Field(default=[], description="the file's content, filled in by compose")
    confidence: float = Field(default=0.5, description="the file's content, filled in by compose")
    approvals: Approvals | None = Field(default=None, description="likewise")
    perturbation: Perturbation | None = Field(default=None, description="likewise")
    risk: Risk | None = Field(default=None, description="likewise")
    monitoring: Monitoring | None = Field(default=None, description="likewise")
    engine: EngineTerms | None = Field(default=None, description="likewise")

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unset(self, handler)


class Policy(Closed):
    """The only place with thresholds."""

    name: str
    confidence: Number = Field(gt=0.5, lt=1)
    rules: list[Rule] = Field(min_length=1)
    waivers: list[Waiver] = []
    approvals: Approvals | None = None
    perturbation: Perturbation | None = None
    risk: Risk | None = None
    monitoring: Monitoring | None = None
    engine: EngineTerms | None = None
    floor: Floor | None = None

    @property
    def accept_days(self) -> int:
        """Return for how many days measurements of an earlier engine count."""
        return self.engine.accept_days if self.engine else 0

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_unset(self, handler)

    @model_validator(mode="after")
    def _known(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is there twice")
        waived = [waiver.rule for waiver in self.waivers]
        again = sorted({name for name in waived if waived.count(name) > 1})
        if again:
            raise ValueError(f"waiver for {again[0]} is there twice")
        for waiver in self.waivers:
            if waiver.rule.split("[")[0] not in ids:
                raise ValueError(f"waiver for {waiver.rule}: no such rule")
        return self


class Notify(Closed):
    """The one webhook that is told what the registry did. No stage reads it."""

    url: str | None = Field(
        default=None,
        description="an https address without a secret in it, or the NAME of an environment "
        "variable that holds it as env:NAME",
    )
    shape: Literal["slack", "json"] = "json"

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        url = self.url or ""
        if not url.startswith("env:") and any(mark in url for mark in ("@", "?", "slack.com")):
            raise ValueError("the url is a secret: put it into a variable and write env:NAME")
        return self


class Feed(Closed):
    """Where rows of production come from: files, a database, or what `predict` has logged."""

    kind: Literal["log", "file", "folder", "sql"]
    path: str | None = Field(default=None, description="file: CSV, Parquet, JSON; folder: of these")
    url: str | None = Field(default=None, description="sql: as in data.source")
    query: str | None = Field(default=None, description="sql: the SELECT statement")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"log": [], "file": ["path"], "folder": ["path"], "sql": ["url", "query"]}
        lost = [name for name in needs[self.kind] if not getattr(self, name)]
        if lost:
            raise ValueError(f"kind {self.kind} needs {' and '.join(lost)}")
        return self


class Monitor(Closed):
    """What `governance monitor` reads. No stage reads it."""

    source: Feed | None = None
    labels: Feed | None = Field(default=None, description="request_id, row, label")
    label_delay_days: int = Field(
        default=0, strict=True, ge=0, description="log: they come so late"
    )
    sensitive: Feed | None = Field(default=None, description="request_id, row, the attributes")
    time: str | None = Field(default=None, description="the column that dates a row of a batch")


class Params(Closed):
    """Everything that `conf/` composes to."""

    project: Project
    seed: int = Field(strict=True, ge=0, lt=2**32)
    experiment: str
    deployment: dict[str, Scalar]
    data: Data
    split: Split
    model: Model
    policy: Policy
    notify: Notify = Notify()
    monitor: Monitor = Monitor()


def parse(values: dict[str, Any], where: str = "conf/") -> Params:
    """Validate a composed configuration."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise explain_invalid(error, where, values, Params) from error


def select(values: dict[str, Any], sections: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Pick sections (`data`, `policy.confidence`) of a composed configuration, keyed by name."""
    chosen: dict[str, Any] = {}
    for name in sections:
        value: Any = values
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                raise Problem(f"params.yaml has no {name}: run `uv run dvc repro`")
            value = value[part]
        chosen[name] = value
    return chosen


def read_raw(path: Path = Path("params.yaml")) -> dict[str, Any]:
    """Read the composed configuration as plain values."""
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(f"{path} is missing: run `uv run dvc repro`") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Problem(f"{path} is not readable YAML: run `uv run dvc repro`") from error
    if not isinstance(values, dict):
        raise Problem(f"{path} is empty: run `uv run dvc repro`")
    return values


def read(*sections: str) -> Params:
    """Read the named sections of `params.yaml`, typed; any other section is absent from the result.

    A stage names here exactly what `dvc.yaml` lists under its `params:`; a test compares the two.
    """
    params = parse(read_raw(), "params.yaml")
    wanted: dict[str, list[str]] = {}
    for name in sections:
        top, _, leaf = name.partition(".")
        wanted.setdefault(top, []).extend([leaf] if leaf else [])
    chosen: dict[str, Any] = {}
    for top, leaves in wanted.items():
        section = getattr(params, top)
        part = {leaf: getattr(section, leaf) for leaf in leaves}
        chosen[top] = type(section).model_construct(**part) if leaves else section
    return Params.model_construct(**chosen)

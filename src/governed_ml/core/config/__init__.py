"""Pydantic models of the configuration, one module for each part of `conf/`."""

from governed_ml.core.config.closed_model import AsGiven, Closed, Count, Number, Scalar, Task
from governed_ml.core.config.data import Code, Data, Sensitive, Source
from governed_ml.core.config.model import Model
from governed_ml.core.config.params import Params, Project, parse, read, read_raw, select
from governed_ml.core.config.policy_schema import (
    Approvals,
    EngineTerms,
    Floor,
    Perturbation,
    Policy,
    Risk,
    Rule,
    Waiver,
)
from governed_ml.core.config.production.monitor import Feed, Monitor, Notify
from governed_ml.core.config.production.policy import Monitoring, MonitoringRule
from governed_ml.core.config.split import Split

__all__ = [
    "Approvals",
    "AsGiven",
    "Closed",
    "Code",
    "Count",
    "Data",
    "EngineTerms",
    "Feed",
    "Floor",
    "Model",
    "Monitor",
    "Monitoring",
    "MonitoringRule",
    "Notify",
    "Number",
    "Params",
    "Perturbation",
    "Policy",
    "Project",
    "Risk",
    "Rule",
    "Scalar",
    "Sensitive",
    "Source",
    "Split",
    "Task",
    "Waiver",
    "parse",
    "read",
    "read_raw",
    "select",
]

"""`notify` and `monitor` in `conf/config.yaml`: whom to notify, and where production's rows are.

No stage reads them.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from governed_ml.core.config.closed_model import Closed


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
            raise ValueError(
                "the URL is a secret: put it into an environment variable and write env:NAME"
            )
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

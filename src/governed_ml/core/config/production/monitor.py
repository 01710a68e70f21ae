"""`notify` and `monitor` in `conf/config.yaml`: the webhook, and the source of production rows.

No stage reads them.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from governed_ml.core.config.closed_model import Closed


class Notify(Closed):
    """The webhook that receives a message for each registry action. No stage reads it."""

    url: str | None = Field(
        default=None,
        description="an https address without a secret in it, or the NAME of an environment "
        "variable that holds it as env:NAME",
    )
    shape: Literal["slack", "json"] = Field(
        default="json", description="the form of a message: a JSON object, or what Slack expects"
    )

    @model_validator(mode="after")
    def _no_secret(self) -> Self:
        url = self.url or ""
        if not url.startswith("env:") and any(mark in url for mark in ("@", "?", "slack.com")):
            raise ValueError(
                "the URL is a secret: put it into an environment variable and write env:NAME"
            )
        return self


class Feed(Closed):
    """The source of production rows: files, a database, or what `predict` and `serve` logged."""

    kind: Literal["log", "file", "folder", "sql"] = Field(
        description="log: what `predict` and `serve` logged since the last window; of labels, "
        "what the service received; of sensitive attributes, those logged apart from the rows"
    )
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
    """The settings of `governance monitor`. No stage reads them."""

    source: Feed | None = Field(
        default=None, description="the rows of a batch; without it, name a file on the command line"
    )
    labels: Feed | None = Field(
        default=None, description="a feed with the columns request_id, row and label"
    )
    label_delay_days: int = Field(
        default=0, strict=True, ge=0, description="log: days after which a row has its label"
    )
    sensitive: Feed | None = Field(
        default=None, description="a feed with request_id, row and the attributes"
    )
    time: str | None = Field(
        default=None, description="the column with the time of each row; by default data.time"
    )

"""What the service says about the version that answers: to people, and to Prometheus."""

from __future__ import annotations

from typing import Any

from governed_ml.core.config.production.serve import Serve
from governed_ml.ledger.lifecycle import MAKES_CHAMPION
from governed_ml.serving.app.openapi import description
from governed_ml.serving.metrics.names import Arm
from governed_ml.serving.metrics.recorder import MetricsRecorder
from governed_ml.serving.model.keeper import Lineup, is_same
from governed_ml.serving.model.ledger_view import LedgerView
from governed_ml.serving.model.served_model import ServedModel
from governed_ml.serving.rows.row_schema import answer_schema, label_schema, row_schema


def about(model: ServedModel) -> dict[str, Any]:
    """Return what the ledger records of a version: digests, decision, approvals; and its card."""
    version = model.version
    moved = [one.event for one in version.entries if one.event.action in MAKES_CHAMPION]
    mine = [one for one in moved if one.version == version.number]
    decided = [one.event for one in version.entries if one.event.decision]
    return {
        "model": model.name,
        "version": version.number,
        "state": version.state,
        "model_digest": model.digest,
        "digests": dict(version.subject),
        "champion_since": mine[-1].time if mine else None,
        "decision": decided[-1].decision if decided else None,
        "approvals": mine[-1].approvals if mine else [],
        "card": model.card,
    }


def described(model: ServedModel, settings: Serve) -> dict[str, Any]:
    """Return the OpenAPI document of a service that answers with this version."""
    return description(
        model.name,
        row_schema(model.reader),
        answer_schema(model.data),
        label_schema(model.label_reader, model.data.target),
        most_rows=settings.rows,
        tokens=settings.authentication != "loopback",
    )


def told(recorder: MetricsRecorder, lineup: Lineup, view: LedgerView) -> None:
    """Set the gauges about models, ledger and the champion's last window."""
    arms: dict[Arm, ServedModel | None] = {
        "champion": lineup.champion,
        "canary": lineup.canary,
        "shadow": lineup.shadow,
    }
    wanted, served = view.life.champion, lineup.champion
    recorder.champion_served(wanted is not None and served is not None and is_same(served, wanted))
    recorder.canary_share(lineup.share / 100)
    for arm, model in arms.items():
        if model is None:
            recorder.model_gone(arm)
            continue
        version = model.version
        recorder.model(arm, version.number, model.digest, version.state, classes_of(model))
    recorder.follow(view.life, view.now.policy.monitoring)


def classes_of(model: ServedModel) -> list[Any]:
    """Return the values that a prediction can have; none for a regression."""
    data = model.data
    if data.task != "classification":
        return []
    return list(data.class_names) if data.multiclass else [0, 1]

"""Faults around the service: what it must not serve, and how it must not run."""

from __future__ import annotations

import shutil

from governed_ml.drill.command_result import Sign
from governed_ml.drill.fault import Fault, Nothing
from governed_ml.drill.faults.ledger import tampered
from governed_ml.drill.scratch import Scratch
from governed_ml.ledger.approvers import PATH as APPROVERS
from governed_ml.pipeline.prediction_log.places import PREDICTIONS

CHECK = ("serve", "--check")


def changed_model(scratch: Scratch) -> Sign:
    """Change the champion's file in the registry's store."""
    _require_configured(scratch)
    return tampered(scratch)


def unlisted_key(scratch: Scratch) -> Sign:
    """Remove the key that signed the champion from the approvers."""
    _require_configured(scratch)
    scratch.edit_yaml(APPROVERS, lambda people: people.update(model_keys=[]))
    scratch.commit("The key was stolen")
    return Sign("lists no valid key under model_keys")


def open_to_all(scratch: Scratch) -> Sign:
    """Let other machines ask without a token."""
    _require_configured(scratch)
    scratch.edit_yaml(
        "conf/config.yaml",
        lambda conf: conf["serve"].update(authentication="loopback", host="0.0.0.0"),  # noqa: S104
    )
    scratch.commit("Serve everybody")
    return Sign(r"others can reach 0\.0\.0\.0")


def unwritable_log(scratch: Scratch) -> Sign:
    """Put a file where the prediction log would be."""
    _require_configured(scratch)
    place = scratch.project / PREDICTIONS
    shutil.rmtree(place, ignore_errors=True)
    place.write_bytes(b"")
    return Sign("cannot write the log")


def _require_configured(scratch: Scratch) -> None:
    if scratch.params().serve.authentication is None:
        raise Nothing("serve.authentication is not set, so nothing is served")


FAULTS = (
    Fault("served-model", "a changed model was to be served", (27,), CHECK, changed_model,
          "promoted"),
    Fault("served-key", "a model was to be served whose key is no longer listed", (27,), CHECK,
          unlisted_key, "promoted"),
    Fault("open-service", "other machines could ask without a token", (), CHECK, open_to_all,
          "promoted"),
    Fault("unwritable-log", "answers could not be logged", (), CHECK, unwritable_log, "promoted"),
)  # fmt: skip

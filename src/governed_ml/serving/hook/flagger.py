"""Flagger's webhooks: 200 lets it go on, anything over 202 does not, and its text becomes an event.

Flagger posts `{name, namespace, phase, checksum, metadata}`. It can send no header of one's own;
`metadata` comes from the Canary: the version, and the token if nothing on the way adds it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governed_ml.serving.hook.answer import HookAnswer
from governed_ml.serving.hook.question import ApprovalQuestion, from_texts
from governed_ml.serving.http.problems import FieldFault, RequestRefused

TOKEN = "token"  # noqa: S105 - the key under `metadata`, not a token
METADATA = "/metadata"


class FlaggerCall(BaseModel):
    """A call; only its metadata counts: texts by name."""

    model_config = ConfigDict(strict=True, frozen=True)

    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def token(self) -> str | None:
        """Return the bearer token, if the Canary holds one."""
        return self.metadata.get(TOKEN)

    def question(self) -> ApprovalQuestion:
        """Return the question; raise `RequestRefused` if no version is named."""
        return from_texts(self.metadata, METADATA)


def call(body: dict[str, Any]) -> FlaggerCall:
    """Read a call."""
    try:
        return FlaggerCall.model_validate(body)
    except ValidationError as error:
        fault = FieldFault(METADATA, "must be an object of texts")
        raise RequestRefused(
            422, "invalid-question", "this is no call of Flagger", [fault]
        ) from error


def goes_on(answer: HookAnswer) -> tuple[int, str]:
    """Return status and text for the hooks that confirm a step."""
    return (200 if answer.result == "approved" else 403), answer.line()


def rolls_back(answer: HookAnswer) -> tuple[int, str]:
    """Return status and text for the hook `rollback`, where 200 starts a rollback.

    Only a version that was found and is blocked is rolled back. One that waits for people, or of
    which nothing is known, is left as it is.
    """
    back = answer.result == "blocked" and answer.version is not None
    return (200 if back else 403), answer.line()

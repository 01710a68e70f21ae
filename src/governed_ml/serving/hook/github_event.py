"""GitHub's event `deployment_protection_rule`: its signature, and what it asks."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError

from governed_ml.serving.hook.question import ApprovalQuestion, Commit, question
from governed_ml.serving.http.problems import FieldFault, RequestRefused, pointer

EVENT, DELIVERY, SIGNATURE = "x-github-event", "x-github-delivery", "x-hub-signature-256"
RULE, PING = "deployment_protection_rule", "ping"
DELIVERY_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


class ProtectionRuleAsked(BaseModel):
    """The fields of the event that count. Nothing else of it does, such as who deploys."""

    model_config = ConfigDict(strict=True, frozen=True)

    action: Literal["requested"]
    environment: str = Field(min_length=1, max_length=255)
    callback: str = Field(validation_alias="deployment_callback_url", max_length=1000)
    commit: Commit = Field(validation_alias=AliasPath("deployment", "sha"))
    repository: str = Field(validation_alias=AliasPath("repository", "full_name"))
    installation: int | None = Field(
        default=None, validation_alias=AliasPath("installation", "id"), ge=1
    )

    def question(self) -> ApprovalQuestion:
        """Return the question: the one version that was registered from the deployed commit."""
        return question({"commit": self.commit})

    def run(self, api: str, repository: str) -> int:
        """Return the id of the workflow run that waits.

        The callback must be that of a run of this repository, at this GitHub. The address is only
        compared: the answer goes to an address that is made of the id.
        """
        if self.repository.lower() != repository.lower():
            raise _not_ours("/repository/full_name", "is another repository than the hook's")
        start = f"{api.rstrip('/')}/repos/{self.repository}/actions/runs/"
        found = re.fullmatch(rf"{re.escape(start)}(\d{{1,18}})/{RULE}", self.callback, re.ASCII)
        if found is None:
            raise _not_ours(
                "/deployment_callback_url", f"is not that of a run under {api.rstrip('/')}/repos"
            )
        return int(found[1])


def require_signed(body: bytes, headers: Mapping[str, str], secret: str) -> None:
    """Raise `RequestRefused` unless the webhook's secret signed the body."""
    given = headers.get(SIGNATURE, "").encode("latin-1", errors="replace")
    due = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}".encode()
    if not hmac.compare_digest(given, due):
        detail = "the body is not signed with the webhook's secret"
        raise RequestRefused(401, "wrong-signature", detail)


def delivery(headers: Mapping[str, str]) -> str:
    """Return the delivery's id."""
    found = headers.get(DELIVERY, "")
    if not DELIVERY_ID.fullmatch(found):
        raise RequestRefused(400, "malformed-request", f"the header {DELIVERY} has no id")
    return found


def asked_by(body: dict[str, Any]) -> ProtectionRuleAsked:
    """Return the event; raise `RequestRefused` if a field that counts is missing or malformed."""
    try:
        return ProtectionRuleAsked.model_validate(body)
    except ValidationError as error:
        faults = [
            FieldFault(pointer(*one["loc"]), one["msg"])
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise RequestRefused(
            422, "invalid-event", f"this is no event {RULE} as GitHub describes it", faults
        ) from error


def _not_ours(place: str, why: str) -> RequestRefused:
    detail = "the event is about another repository or another GitHub"
    return RequestRefused(403, "not-ours", detail, [FieldFault(place, why)])

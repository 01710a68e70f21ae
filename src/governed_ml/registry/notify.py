"""Notify a webhook of registry actions, and report failures.

The webhook's URL is a secret, because anyone who knows it can post. So messages show only its
scheme and host.
"""

from __future__ import annotations

import logging
import os
from typing import Literal

from pydantic import Field

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.config.production.monitor import Notify
from governed_ml.core.problem import Problem, cause
from governed_ml.core.repository import LOOPBACK

ATTEMPTS = 4
TIMEOUT = 3.0  # seconds for one attempt
BACKOFF = 0.5  # seconds; the waits are 0, 2 and 4 times this
LONGEST_WAIT = 2  # seconds, even if Retry-After is longer; at most about 18 s in all
RETRY_STATUS = (429, 500, 502, 503, 504)


class Message(Closed):
    """The content of a notification. With the shape `json`, these fields are sent as they are."""

    project: str
    model: str
    version: int | None = None
    action: str = Field(description="what the ledger calls it: promoted, rolled_back, …")
    verdict: str | None = None
    actor: str
    commit: str
    reason: str = ""
    digests: dict[str, str] = Field(default_factory=dict)
    link: str | None = None


class Lost(Problem):
    """The change was recorded, but the notification failed."""


def ready(notify: Notify) -> str | None:
    """Return the webhook's URL, or None if none is configured.

    Call it before any change of state, so that a wrong configuration is found early.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    if notify.url is None:
        return None
    name = notify.url.removeprefix("env:")
    address = notify.url if name == notify.url else os.environ.get(name, "").strip()
    if not address:
        raise Problem(
            f"notify.url: the environment variable {name} is not set. Set it, or set notify.url "
            "to null to send no notifications"
        )
    try:
        parts = parse_url(address)
    except LocationParseError:  # the error's text would reveal the URL
        parts = parse_url("")
    local = parts.scheme == "http" and LOOPBACK.fullmatch(parts.host or "")
    if not (local or parts.scheme == "https") or not parts.host or parts.auth:
        where = "it" if name == notify.url else f"the environment variable {name}"
        raise Problem(
            f"notify.url: {where} does not hold an https://HOST/… address: copy the webhook's "
            "address"
        )
    return address


def send(address: str, shape: Literal["slack", "json"], message: Message) -> None:
    """Post a message to a URL returned by `ready`; raise `Lost` if it was not accepted.

    If the answer is lost, the message is sent again, so it may arrive twice.
    """
    from urllib3 import PoolManager, Retry, Timeout
    from urllib3.exceptions import HTTPError, MaxRetryError
    from urllib3.util import parse_url

    retry = Retry(
        ATTEMPTS - 1, redirect=False, allowed_methods=None, status_forcelist=RETRY_STATUS,
        raise_on_status=False, backoff_factor=BACKOFF, backoff_max=LONGEST_WAIT,
        retry_after_max=LONGEST_WAIT,
    )  # fmt: skip
    body = {"text": _slack(message)} if shape == "slack" else message.model_dump(mode="json")
    log = logging.getLogger("urllib3")
    before, log.propagate = log.propagate, False  # urllib3 logs the whole URL at each retry
    try:
        with PoolManager(retries=retry, timeout=Timeout(total=TIMEOUT)) as pool:
            status = pool.request("POST", address, json=body, redirect=False).status
        why = "" if 200 <= status < 300 else f"it answered {status}"
    except HTTPError as error:
        reason = error.reason if isinstance(error, MaxRetryError) else error
        under = getattr(reason, "__cause__", None)
        why = cause(under) if isinstance(under, OSError) else type(reason).__name__
        if isinstance(under, TimeoutError):
            why = f"no answer within {TIMEOUT:g} s, {ATTEMPTS} times"
    finally:
        log.propagate = before
    if why:
        host = "{0.scheme}://{0.netloc}".format(parse_url(address))
        raise Lost(
            f"{message.action} is recorded, but {host} could not be notified: {why}; notify "
            "people yourself"
        )


def _slack(message: Message) -> str:
    """Return the message as Slack text, with markup and mentions such as `<!channel>` escaped."""
    said = message.model_dump(exclude_none=True, exclude={"digests"})
    said |= {f"digest of {name}": digest for name, digest in message.digests.items()}
    lines = [f"{name}: {' '.join(str(value).split())}" for name, value in said.items() if value]
    return "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

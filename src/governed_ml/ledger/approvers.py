"""Who may approve: `governance/approvers.yaml`, read from the protected branch."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from governed_ml.core.config.closed_model import Closed
from governed_ml.core.problem import Problem, explain_invalid, first_line
from governed_ml.core.repository import PROTECTED, content, protected

PATH = "governance/approvers.yaml"


class Key(Closed):
    """A public key and the days on which it is valid. To revoke a key, set `until` or remove it."""

    key: str = Field(min_length=20)
    since: date | None = None
    until: date | None = None

    def counts(self, day: date) -> bool:
        """Return whether the key is valid on a day."""
        return (self.since is None or self.since <= day) and (
            self.until is None or day < self.until
        )

    @property
    def bare(self) -> str:
        """Return an SSH key without its comment, or another key without surrounding white space."""
        words = self.key.split()
        return (
            " ".join(words[:2])
            if self.key.startswith(("ssh-", "sk-", "ecdsa-"))
            else "".join(words)
        )


SSH = re.compile(r"(ssh-|ecdsa-sha2-|sk-)[A-Za-z0-9@.-]+ +[A-Za-z0-9+/]{40,}={0,2}( .*)?")


class SshKey(Key):
    """A public SSH key, as in a `.pub` file."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        words = self.key.split()
        if not SSH.fullmatch(self.key.strip()) or len(words[1]) % 4:
            raise ValueError("this is not a public SSH key: copy the line from its .pub file")
        return self


class ModelKey(Key):
    """A public key in PEM format, as `governance keygen` prints it."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not self.key.strip().startswith("-----BEGIN PUBLIC KEY-----"):
            raise ValueError(
                "this is not a public key in PEM format: copy what `governance keygen` prints"
            )
        return self


class Person(Closed):
    """A person who may approve, and that person's names in git and on GitHub."""

    name: str = Field(min_length=1, pattern=r"^\S(.*\S)?$")
    roles: list[str] = Field(min_length=1)
    emails: list[str] = Field(
        min_length=1, description="addresses in git, because nobody may approve their own work"
    )
    github: str | None = None
    keys: list[SshKey] = Field(default_factory=list)


class Recorder(SshKey):
    """A key that signs ledger events. It belongs to a person or a workflow."""

    name: str = Field(min_length=1)


class Approvers(Closed):
    """The content of `governance/approvers.yaml`."""

    people: list[Person] = Field(default_factory=list)
    ledger: list[Recorder] = Field(default_factory=list)
    model_keys: list[ModelKey] = Field(default_factory=list)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        """Refuse a person who is listed twice, because one person must not count as two."""
        for what, values in (
            ("name", [one.name for one in self.people]),
            ("e-mail address", [mail.lower() for one in self.people for mail in one.emails]),
            ("GitHub account", [one.github.lower() for one in self.people if one.github]),
            ("key", [key.bare for one in self.people for key in one.keys]),
        ):
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice:
                raise ValueError(f"the {what} {twice[:40]} is listed twice: keep it for one person")
        return self

    def person(self, name: str) -> Person:
        """Return the person with this name. Raise `Problem` if nobody has it."""
        found = next((one for one in self.people if one.name == name), None)
        if found is None:
            raise Problem(
                f"{PATH} on {PROTECTED} does not list {name!r}: ask the risk owner to add "
                "this person",
                1,
            )
        return found


def read(base: Path, commit: str | None = None) -> Approvers:
    """Read the file from a commit of the protected branch.

    By default, the branch is fetched, and its last commit is used.
    """
    raw = content(base, commit or protected(base), PATH)
    if raw is None:
        raise Problem(f"{PATH} is missing on {PROTECTED}: restore it there")
    return parsed(raw)


@lru_cache(maxsize=64)
def parsed(raw: bytes) -> Approvers:
    """Parse and validate the content of the file; raise `Problem` if it is invalid."""
    from ruamel.yaml import YAML, YAMLError

    try:
        values: object = YAML(typ="safe", pure=True).load(raw) or {}
    except (YAMLError, ValueError) as error:  # includes duplicate keys
        raise Problem(
            f"{PATH} on {PROTECTED} is not valid YAML: {first_line(error)}; fix it"
        ) from error
    try:
        return Approvers.model_validate(values)
    except ValidationError as error:
        raise explain_invalid(error, f"{PATH} on {PROTECTED}", values, Approvers) from error

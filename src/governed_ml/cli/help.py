"""`--help`: commands by topic, sorted, each with its whole first sentence.

Plain text is used, because Rich would make `governance --help` three times as slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperGroup

TOPICS = {
    "Start": ("init-data",),
    "Judge": ("gate", "page", "policy", "stage", "check", "contract"),
    "Release": ("register", "approve", "reject", "promote", "rollback", "rejudge", "keygen"),
    "Run in production": ("predict", "serve", "hook", "monitor", "retrain", "canary", "alerts"),
    "Inspect the records": ("status", "reconcile", "ledger", "lineage", "sbom", "schemas"),
    "Maintain the repository": ("doctor", "drill", "github", "engine", "update"),
    "Steps of the workflows": ("preflight", "fetch", "rehash", "aggregate", "template"),
}
"""Heading → the commands under it. Commands without a heading are listed under `Others`."""
OTHERS = "Others"


class TopicGroup(TyperGroup):
    """A group of commands whose help lists them by topic."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted(super().list_commands(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section per topic, with the whole first sentence of each command's help."""
        said = {
            name: sentence(command.help or "")
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        }
        width = max(map(len, said), default=0)
        for topic, names in self.sections(said):
            with formatter.section(topic):
                formatter.write_dl([(f"{name:<{width}}", said[name]) for name in names])

    def sections(self, names: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Return heading → commands; here, one section for all commands."""
        return [("Commands", list(names))]


class Topics(TopicGroup):
    """The main group, `governance` itself."""

    def sections(self, names: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Return the topics in order, each with its commands, sorted."""
        left = sorted(names)
        found = [(topic, [one for one in left if one in own]) for topic, own in TOPICS.items()]
        known = {one for _, own in found for one in own}
        found.append((OTHERS, [one for one in left if one not in known]))
        return [(topic, own) for topic, own in found if own]


def sentence(text: str) -> str:
    """Return the first paragraph of a help text in one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())


def group(text: str, *, alone: bool = False) -> typer.Typer:
    """Return a group of commands with this sentence as its help.

    With `alone`, the group also does something without a command; otherwise it prints its help.
    """
    return typer.Typer(help=text, cls=TopicGroup, no_args_is_help=not alone, rich_markup_mode=None)

"""Closed JSON Schemas of OpenLineage's run events, printed by a Python that has its client.

The client's classes are generated from the specification, version by version (`_schemaURL` says
which). From a folder with the specification's own files, `official` takes these instead.
"""

from __future__ import annotations

import enum
import importlib
import json
import pkgutil
import re
import types
import typing
from pathlib import Path
from typing import Any

FORMATS = {"eventTime": "date-time", "runId": "uuid"} | dict.fromkeys(
    ("producer", "_producer", "schemaURL", "_schemaURL", "url", "uri"), "uri"
)
KEYS = {  # facets whose key is not their class's name
    "DatasetVersion": "version",
    "Datasource": "dataSource",
    "ProcessingEngine": "processing_engine",
    "SQL": "sql",
}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
BASES = ("RunFacet", "JobFacet", "DatasetFacet", "InputDatasetFacet", "OutputDatasetFacet")


class Schemas:
    """The definitions, filled as they are needed."""

    def __init__(self) -> None:
        """Find every facet that the client knows."""
        from openlineage.client import generated
        from openlineage.client.generated import base

        names = [one.name for one in pkgutil.iter_modules(generated.__path__)]
        modules = [importlib.import_module(f"{generated.__name__}.{name}") for name in names]
        found = [one for part in modules for one in vars(part).values() if isinstance(one, type)]
        kinds = [getattr(base, kind) for kind in BASES]
        self.facets = {
            kind: {_key(one): one for one in found if issubclass(one, kind) and one not in kinds}
            for kind in kinds
        }
        self.definitions: dict[str, Any] = {}
        self.event = self.of(base.RunEvent)

    def of(self, kind: Any, name: str = "") -> dict[str, Any]:
        """Return the schema of a type; without nulls, which the client leaves out."""
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self.of(next(one for one in inner if one is not type(None)), name)
        if origin is list:
            return {"type": "array", "items": self.of(inner[0])}
        if origin is dict and inner[1] in self.facets:
            parts = {key: self.of(one) for key, one in self.facets[inner[1]].items()}
            return {"type": "object", "properties": parts, "additionalProperties": False}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        if kind in PLAIN:
            return {"type": PLAIN[kind]} | ({"format": FORMATS[name]} if name in FORMATS else {})
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"enum": [one.value for one in kind]}
        return self._class(kind) if hasattr(kind, "__attrs_attrs__") else {}

    def _class(self, kind: Any) -> dict[str, Any]:
        import attr

        name = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
        if name not in self.definitions:
            self.definitions[name] = {}  # it may hold itself
            hints = typing.get_type_hints(kind)
            fields = {one.name: one.default for one in attr.fields(kind)}
            parts = {one: self.of(hints[one], one) for one in fields}
            must = [one for one, default in fields.items() if default is attr.NOTHING]
            for url in {"_schemaURL", "schemaURL"} & parts.keys():
                parts[url] |= {"const": kind._get_schema()}
                must += [url, url.replace("schemaURL", "producer")]
            must += ["eventType"] if "eventType" in parts else []
            self.definitions[name] = {
                "type": "object",
                "properties": parts,
                "required": must,
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}


def _key(kind: type) -> str:
    bare = re.sub(r"((Input|Output)?Dataset|Run|Job)Facet$", "", kind.__name__)
    return KEYS.get(bare, bare[:1].lower() + bare[1:])


def official(spec: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the specification's own event, and facet key → the file that defines it."""
    event = json.loads((spec / "OpenLineage.json").read_text(encoding="utf-8"))
    facets: dict[str, dict[str, Any]] = {}
    for path in sorted((spec / "facets").glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        facets |= dict.fromkeys(one["properties"], one)
    return event, facets


if __name__ == "__main__":
    made = Schemas()
    print(json.dumps(made.event | {"$defs": made.definitions}))

"""Pydantic models in words: a row of a table for each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from reference_pages import sentence

WORDS = {
    str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "none",
}  # fmt: skip


MOST = 8  # names that a cell lists


def rows_of(
    fields: Mapping[str, FieldInfo], links: Mapping[type[BaseModel], str]
) -> list[list[str]]:
    """Return name, type, default and meaning of each field."""
    rows: list[list[str]] = []
    for name, field in fields.items():
        kind = ", ".join(filter(None, [typed(field.annotation, links), bounded(field)]))
        if field.is_required() and NoneType in get_args(field.annotation):
            kind += " or null"
        meaning = sentence(field.description or "")
        rows.append([f"`{field.alias or name}`", kind, default(field), meaning])
    return rows


def titled(model: type[BaseModel]) -> str:
    """Return what the section of a model is called."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model.__name__).lower()


def typed(annotation: Any, links: Mapping[type[BaseModel], str]) -> str:
    """Return a type in words; a model as its link, if it has one."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return typed(inside[0], links)
    if origin is Literal:
        texts = [str(one) for one in inside]
        if len(texts) > MOST:
            return "a name"
        return ", ".join(
            f"`{one}`" if one.isalnum() or "_" in one else f'`"{one}"`' for one in texts
        )
    if origin in (Union, UnionType):
        kept = [
            one for one in inside if one is not NoneType and not (one is int and float in inside)
        ]
        kinds = [typed(one, links) for one in kept]
        return "any single value" if {*inside} >= {str, int, float, bool} else " or ".join(kinds)
    if origin is list:
        return f"list: {typed(inside[0], links)}"
    if origin is dict:
        return f"NAME → {typed(inside[1], links)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return links.get(annotation, titled(annotation))
    return WORDS.get(annotation, {"date": "date"}.get(getattr(annotation, "__name__", ""), "any"))


def bounded(field: FieldInfo) -> str:
    """Return the limits of a number, as `above 0`."""
    words = {Gt: "above", Ge: "at least", Lt: "below", Le: "at most"}
    names = {Gt: "gt", Ge: "ge", Lt: "lt", Le: "le"}
    parts = [
        f"{words[type(one)]} {getattr(one, names[type(one)])}"
        for one in field.metadata
        if type(one) in words
    ]
    return ", ".join(parts).replace(str(2**32), "2^32")


def default(field: FieldInfo) -> str:
    """Return a default as YAML has it; nothing for a key that is required."""
    if field.is_required():
        return ""
    if field.default_factory not in (None, list, dict):
        return "random"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel):
        return "none"
    if isinstance(value, str):
        return f'`"{value}"`' if not re.fullmatch(r"[a-z_]+", value) else f"`{value}`"
    return f"`{value}`".replace("'", '"') if not isinstance(value, bool) else f"`{value}`".lower()

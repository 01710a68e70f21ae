"""The encoding of a text file: UTF-8, or the one that `encoding` in `conf/data` names."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from governed_ml.core.problem import Problem
from governed_ml.pipeline.data.reading.answers import SourceQuestion

BLOCK = 1 << 20
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # bytes that cp1252 lacks
WIDE = ("utf-16", "utf-32")
OTHERS = ("cp1250", "cp1251", "mac_roman", "cp850", "shift_jis", "gb18030", "euc_kr")
"""Encodings that are shown, too, if a file is not UTF-8 and somebody can be asked."""
SHOWN = 60  # characters of an example


def as_utf8(path: Path, encoding: str | None, uri: str) -> Path:
    """Return a file in UTF-8: the file itself, or a copy that was converted from `encoding`.

    A file that is UTF-8 already stays as it is, because production may send UTF-8 to a model whose
    training table was not. Raise `Problem` with a proposal if the encoding is not known.
    """
    if encoding is not None:
        _require_codec(encoding)
    fault = _fault(path)
    wide = encoding is not None and codecs.lookup(encoding).name.startswith(WIDE)
    if fault is None and not (wide and _nulls(path)):
        if _nulls(path):
            raise SourceQuestion(
                f"data.source.path: {uri} is not UTF-8 but UTF-16 without a mark",
                f": write `encoding: {_wide(path)}` under source in conf/data",
                "encoding",
                [(_wide(path), _example(path, _wide(path), 1))],
            )
        return path
    if encoding is None:
        raise _question(path, fault, f"data.source.path: {uri} is not UTF-8: ")
    target = path.with_name(f"{path.name}-utf8")
    line = 1
    try:
        with (
            path.open(encoding=encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as copy,
        ):
            while block := source.read(BLOCK):
                copy.write(block)
                line += block.count("\n")
    except UnicodeError as error:
        raise Problem(
            f"data.source.path: {uri} cannot be read as {encoding} after line {line:,}: correct "
            "encoding under source in conf/data"
        ) from error
    return target


def _require_codec(encoding: str) -> None:
    try:
        known = codecs.lookup(encoding)._is_text_encoding  # type: ignore[attr-defined]
    except LookupError:
        known = False
    if not known:
        raise Problem(
            f"data.source.encoding: Python knows no encoding {encoding!r}: write one such as "
            "cp1252, latin-1 or utf-16"
        )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            yield block


def _fault(path: Path) -> tuple[int, int] | None:
    """Return the line (from 1) and the value of the first byte that is not UTF-8, or None."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    try:
        for block in _blocks(path):
            line += decoder.decode(block).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        given = error.object
        return line + given[: error.start].count(b"\n"), given[error.start]
    return None


def _nulls(path: Path) -> bool:
    return b"\0" in next(_blocks(path), b"")[:10_000]


def _wide(path: Path) -> str:
    """Return which UTF-16 a file without a mark is in: Latin letters have a zero byte."""
    head = next(_blocks(path), b"")[:10_000]
    return "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"


def _question(path: Path, fault: tuple[int, int] | None, said: str) -> SourceQuestion:
    """Return the question which encoding a file has, with the likely ones, the best first."""
    head = next(_blocks(path), b"")
    marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if marked or fault is None or _nulls(path):
        name = marked or _wide(path)
        remedy = f". Write `encoding: {name}` under source in conf/data"
        likely = [(name, _example(path, name, 1))]
        return SourceQuestion(f"{said}it looks like UTF-16", remedy, "encoding", likely)
    line, byte = fault
    gaps = any(one in block for block in _blocks(path) for one in UNDEFINED)
    name = "latin-1" if gaps else "cp1252"
    letter = bytes([byte]).decode(name)
    return SourceQuestion(
        f"{said}line {line:,} has the byte 0x{byte:02X}, which is {letter!r} in {name}",
        f". If that is right, write `encoding: {name}` under source in conf/data; else name the "
        "encoding there, or save the file as UTF-8",
        "encoding",
        _likely(path, [name, *OTHERS], line),
    )


def _likely(path: Path, names: list[str], line: int) -> list[tuple[str, str]]:
    """Return the encodings in which a line is text, each with that text if no other gave it."""
    found: dict[str, str] = {}
    for name in names:
        example = _example(path, name, line)
        if example and example not in found.values():
            found[name] = example
    return list(found.items())


def _example(path: Path, encoding: str, number: int) -> str:
    """Return a line (from 1) in an encoding, around its first letter beyond ASCII.

    Return an empty text if it is no text in this encoding.
    """
    try:
        if encoding.startswith(WIDE):
            with path.open(encoding=encoding) as wide:
                text = wide.readline()
        else:
            with path.open("rb") as handle:
                text = next(islice(handle, number - 1, None), b"").decode(encoding)
    except UnicodeError:
        return ""
    text = text.rstrip("\r\n")
    start = next((at for at, sign in enumerate(text) if not sign.isascii()), 0)
    text = text[max(0, start - SHOWN // 2) : start + SHOWN // 2]
    return text if text.replace("\t", " ").isprintable() else ""

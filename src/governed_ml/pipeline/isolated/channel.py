"""Messages between two processes: byte strings, the first of which is JSON.

Pickle is never used.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from governed_ml.core.problem import Problem

PARTS = 8  # most parts of a message
LARGEST = 1 << 34  # most bytes of a part, unless the reader gives a limit
GOES_ON = "goes on"  # key of an answer with a problem, after which the process answers further
AT_ONCE = 1 << 24  # most bytes read at once, so that a false length allocates no memory


def send(stream: IO[bytes], head: dict[str, Any], *parts: bytes | memoryview) -> None:
    """Write a message: the number of its parts, then the length and bytes of each."""
    whole = (json.dumps(head).encode(), *parts)
    stream.write(struct.pack(">I", len(whole)))
    for part in whole:
        stream.write(struct.pack(">Q", len(part)))
        stream.write(part)
    stream.flush()


def receive(stream: IO[bytes], largest: int = LARGEST) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read a message; return None at the end of the stream.

    Raise `Problem` if the data are not a message, or if a part has more than `largest` bytes.
    """
    first = stream.read(4)
    if not first:
        return None
    count = struct.unpack(">I", _exactly(first, 4))[0]
    if not 1 <= count <= PARTS:
        raise Problem(
            "src/ wrote to the channel that carries the answers of the team's code to the "
            "engine: remove what writes there"
        )
    parts: list[bytes] = []
    for _ in range(count):
        length = struct.unpack(">Q", _exactly(stream.read(8), 8))[0]
        if length > largest:
            raise Problem(
                f"the team's code sent an answer of {length:,} bytes, which is more than the "
                f"engine accepts ({largest:,}): return less"
            )
        parts.append(_part(stream, length))
    try:
        head = json.loads(parts[0])
    except ValueError as error:
        raise Problem(
            "the team's code sent an answer that is not JSON: remove what writes to the engine's "
            "channel from src/"
        ) from error
    if not isinstance(head, dict):
        raise Problem(
            "the team's code sent an answer that is not a JSON object: remove what writes to "
            "the engine's channel from src/"
        )
    return head, parts[1:]


def _part(stream: IO[bytes], length: int) -> bytes:
    if length <= AT_ONCE:
        return _exactly(stream.read(length), length)
    found = bytearray()
    while len(found) < length and (more := stream.read(min(AT_ONCE, length - len(found)))):
        found += more
    return _exactly(bytes(found), length)


def _exactly(found: bytes, length: int) -> bytes:
    if len(found) != length:
        raise Problem(
            "the process of the team's code ended while it sent its answer: look for what ends "
            "it in src/"
        )
    return found

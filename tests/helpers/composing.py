"""What Hydra composes, remembered: the tests compose the same few states of `conf/` very often."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

VARIES = b"oc.env"  # what is composed depends on more than the files


def remember(folder: Path | None = None) -> None:
    """Compose each state of `conf/` once; what does not compose is tried again.

    With a folder, for all processes that are given it; otherwise for this one.
    """
    from governed_ml.core.config import composition

    compose, known = composition._composed, {}

    def remembered(
        conf: Path,
        name: str,
        overrides: list[str],
        groups: tuple[str, ...] = composition.GROUPS,
    ) -> dict[str, Any]:
        digest = hashlib.sha256(repr((name, overrides, groups)).encode())
        read = conf / "policy" if name.startswith("policy/") else conf
        for path in sorted(read.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                if VARIES in content:
                    return compose(conf, name, overrides, groups)
                told = path.relative_to(conf).as_posix(), len(content)
                digest.update(repr(told).encode() + content)
        key = digest.hexdigest()
        if folder is None:
            if key not in known:
                known[key] = compose(conf, name, overrides, groups)
            return copy.deepcopy(known[key])
        kept = folder / key
        if not kept.is_file():
            found = compose(conf, name, overrides, groups)
            part = kept.with_suffix(f".{os.getpid()}")
            part.write_bytes(pickle.dumps(found))
            part.replace(kept)
        return pickle.loads(kept.read_bytes())  # noqa: S301 - written here

    composition._composed = remembered

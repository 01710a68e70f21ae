"""What one job hashed and another goes by: tables, model and evidence of one commit and run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..config import Closed
from ..evidence import AnyEvidence, path_of
from ..files import file_digest


class Rehash(Closed):
    """`reports/rehash.json`."""

    schema_version: Literal[1] = 1
    commit: str
    run: str | None = Field(description="of the workflow; None: on somebody's machine")
    recomputed: bool = Field(description="whether the line ran, or the commit's word was taken")
    files: dict[str, str] = Field(description="path → sha256 of every table and model file")
    model: str = Field(description="canonical digest of the model, or why there is none")
    evidence: dict[str, str] = Field(description="gate → sha256 of its evidence's bytes")

    def same_evidence(
        self, base: Path, evidence: Mapping[str, AnyEvidence | str]
    ) -> dict[str, AnyEvidence | str]:
        """Refuse evidence that is not the one which was there when the rest was hashed."""
        return {
            gate: found
            if isinstance(found, str)
            or self.evidence.get(gate) == file_digest(base / path_of(gate))
            else f"evidence of {gate} is not what the line's job left; run the whole workflow again"
            for gate, found in evidence.items()
        }

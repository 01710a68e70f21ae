"""Where a source is, as lineage names it: namespace and name of every kind of address."""

from __future__ import annotations

import pytest

from governed_ml.lineage.columns import place
from governed_ml.lineage.pipeline_records import RecordedPipeline


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("data/source/loans[12] 50%.csv", ("mine", "data/source/loans[12] 50%.csv")),
        ("sqlite:///data/source/loans.db", ("sqlite", "data/source/loans.db")),
        ("sqlite:////srv/loans.db", ("sqlite", "/srv/loans.db")),
        ("sqlite://", ("sqlite", "/")),
        ("postgresql://db:5432/loans", ("postgresql://db:5432", "/loans")),
        ("https://example.org", ("https://example.org", "/")),
        ("https://example.org/a/b.csv", ("https://example.org", "/a/b.csv")),
        ("env:LOANS_URL", ("mine", "env:LOANS_URL")),
    ],
)
def test_every_address_has_a_namespace_and_a_name(uri: str, wanted: tuple[str, str]) -> None:
    # Given a source, when lineage names it, then also where the address has no server
    assert place(RecordedPipeline("mine", {}, None, "key"), uri) == wanted

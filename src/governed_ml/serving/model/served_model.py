"""A version that is loaded to answer requests, after every check that `predict` makes."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governed_ml.core.files import read_json
from governed_ml.core.problem import Problem, Unusable, first_line
from governed_ml.ledger.lifecycle import Version
from governed_ml.measures.explanations.background import reference_rows
from governed_ml.monitoring.release_contract import with_contract
from governed_ml.pipeline import models
from governed_ml.pipeline.predict_version import ServedVersion
from governed_ml.pipeline.quick.scores import QuickScores
from governed_ml.registry.release import bundle
from governed_ml.registry.release.scored_alike import require_scored_alike
from governed_ml.registry.versions import Registry
from governed_ml.serving.model.ledger_view import LedgerView
from governed_ml.serving.rows.row_reader import RowReader

if TYPE_CHECKING:
    import pandas as pd

    from governed_ml.measures.explanations.served import Contributions, RowExplainer
    from governed_ml.pipeline.model_outputs import Answers

CARD = "reports/model_card.json"
SEED = 0  # of the order in which features are taken away, where a model is explained by asking


class NoLongerServed(Problem):
    """The version was replaced or stopped while a request was on its way to it."""


class ServedModel:
    """A verified version with its model in memory. `close` waits until nobody uses it."""

    def __init__(
        self, name: str, version: Version, origin: ServedVersion, card: dict[str, Any]
    ) -> None:
        """Load the model of `origin`, whose files were checked and are not needed afterwards."""
        self.name = name
        self.version, self.origin, self.card = version, origin, card
        self.number, self.digest, self.data = version.number, origin.digest, origin.data
        self.reader, self.label_reader = RowReader.of(origin), label_reader(origin)
        self._stack = ExitStack()
        self._stack.callback(self.reader.close)
        self._stack.callback(self.label_reader.close)
        self._model: Any = self._stack.enter_context(models.opened(origin.model))
        trained = body_of(origin, "train")
        self._columns = list(trained.numeric), list(trained.categorical)
        self._background = reference_rows(body_of(origin, "drift"), *self._columns)
        self._scores = QuickScores(self._model, origin.data.task, self._background)
        self.predict(self._background.head(1))  # the first answer takes much longer than the rest
        self._explainer: RowExplainer | None = None
        self._preparing = threading.Lock()
        self._users, self._closed = 0, False
        self._guard = threading.Lock()

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Keep the model open inside; raise `NoLongerServed` if it was closed."""
        with self._guard:
            if self._closed:
                raise NoLongerServed(f"version {self.number} is no longer served: ask again", 1)
            self._users += 1
        try:
            yield
        finally:
            with self._guard:
                self._users -= 1
                self._free()

    def close(self) -> None:
        """Refuse further use, and free the model as soon as nobody uses it."""
        with self._guard:
            self._closed = True
            self._free()

    def _free(self) -> None:
        if self._closed and not self._users:
            self._stack.close()

    def predict(self, features: pd.DataFrame) -> Answers:
        """Return the answers for rows of features; raise `Problem` if the model has none."""
        try:
            return self._scores.answered(features)
        except ValueError as error:
            raise Problem(f"the model cannot predict these rows: {first_line(error)}") from error

    @property
    def ended(self) -> bool:
        """Whether the model's own process has ended, so that it must be loaded again."""
        return self._scores.ended

    def prepare_explanations(self) -> RowExplainer:
        """Return what explains rows. The first call takes seconds."""
        from governed_ml.measures.explanations.served import RowExplainer

        with self._preparing:
            if self._explainer is None:
                self._explainer = RowExplainer(
                    self._model,
                    self._background,
                    self._columns[1],
                    self.data.task,
                    SEED,
                    self._scores.encoded if self._scores.encodes else None,
                )
            return self._explainer

    def explain(self, features: pd.DataFrame) -> list[dict[str, Any] | None]:
        """Return the explanation of each row as JSON.

        It is None if its contributions do not add up, and for rows after the first `most_rows`.
        """
        explainer = self.prepare_explanations()
        part = explainer.explain(features.iloc[: explainer.most_rows])
        head = {"method": part.method, "explains": part.name}
        found = [self._said(one, head) for one in map(part.of, range(len(part.covered)))]
        return found + [None] * (len(features) - len(found))

    def _said(self, one: Contributions | None, head: dict[str, Any]) -> dict[str, Any] | None:
        """Return an explanation as JSON; with several classes, numbers are by name of the class."""
        if one is None:
            return None

        def by_class(value: Any) -> Any:
            several = self.data.multiclass
            return dict(zip(self.data.class_names, value, strict=True)) if several else value

        each = {name: by_class(value) for name, value in one.by_feature.items()}
        numbers = {"base": by_class(one.base), "output": by_class(one.output)}
        return head | numbers | {"contributions": each}


def label_reader(origin: ServedVersion) -> RowReader:
    """Return what reads labels: the target, as a column of its own."""
    target = origin.data.target
    columns = [one for one in body_of(origin, "ingest").columns if one.name == target]
    return RowReader(columns, origin.data.model_copy(update={"target": ""}), [], [])


def body_of(origin: ServedVersion, gate: str) -> Any:
    """Return the body of a version's evidence; raise `Problem` if it is not readable."""
    found = origin.evidence[gate]
    if isinstance(found, Unusable):
        raise Problem(f"version {origin.version}: its {gate} evidence: {found}", 1)
    return found.body


def load(base: Path, registry: Registry, version: Version, view: LedgerView) -> ServedModel:
    """Fetch a version's files, check them, and load the model and what reads its rows.

    Raise `Problem` if a signature, a digest or a file is not what the ledger names.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        checked = bundle.fetch(registry, version, view.now.approvers, scratch / "release")
        require_scored_alike(checked.statement)
        evidence, params = checked.evidence(), checked.params()
        origin = ServedVersion(
            version=version.number,
            state=version.state,
            digest=version.subject["model"],
            model=checked.model,
            evidence=evidence,
            data=with_contract(base, version, params.data, evidence, scratch / "contracts"),
        )
        model = ServedModel(registry.name, version, origin, read_json(checked.records / CARD))
    wanted = view.now.policy.explain
    if wanted is not None and wanted.least_share:
        model.prepare_explanations()
    return model

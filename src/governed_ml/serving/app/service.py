"""What the service does with a request: read it, ask a model, write the log, then answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from governed_ml.core.config.production.policy import ServedExplanations
from governed_ml.core.config.production.serve import Serve
from governed_ml.core.problem import Problem, first_line
from governed_ml.pipeline.isolated.process import ProcessEnded
from governed_ml.serving.app.answers import (
    ModelAnswer,
    PredictionRequest,
    ask,
    failed,
    labels,
    predictions,
    records,
    sensitive_records,
)
from governed_ml.serving.app.background import Queued
from governed_ml.serving.app.ground_truth import truths
from governed_ml.serving.app.stores import Stores
from governed_ml.serving.app.told import about, described, told
from governed_ml.serving.canary.split import SplitArm, arm_of, pseudonym
from governed_ml.serving.http.body import parse
from governed_ml.serving.http.problems import RequestRefused
from governed_ml.serving.metrics.names import Arm, LogStore
from governed_ml.serving.metrics.recorder import MetricsRecorder
from governed_ml.serving.model.keeper import Keeper, Lineup
from governed_ml.serving.model.ledger_view import LedgerView
from governed_ml.serving.model.served_model import NoLongerServed, ServedModel
from governed_ml.serving.rows.row_reader import ReadRows

NO_CHAMPION = "there is no verified champion to answer with; the service's own log says why"
IN_SHADOW = 100  # requests that may wait for the shadow's answer
SOON = {"retry-after": "5"}


class Service:
    """Answers requests with the lineup of a keeper, and logs before it answers."""

    def __init__(
        self,
        keeper: Keeper,
        stores: Stores,
        settings: Serve,
        recorder: MetricsRecorder,
        arm: SplitArm | None = None,
    ) -> None:
        """Answer with what `keeper` holds; with `arm`, answer all subjects as this arm."""
        self.arm: SplitArm | None = arm
        self.keeper, self.stores = keeper, stores
        self.settings, self.recorder = settings, recorder
        self.explanations: ServedExplanations | None = None
        self.hurry: Callable[[], object] = lambda: None  # looks after the models at once
        self._shadow = Queued(IN_SHADOW, "shadow")

    def lineup(self) -> tuple[Lineup, ServedModel]:
        """Return the models and the champion; refuse if there is no champion."""
        found = self.keeper.lineup
        if self.keeper.ended:
            self.hurry()
        if found.champion is None:
            wait = {"retry-after": str(self.settings.refresh_seconds)}
            raise RequestRefused(503, "no-champion", NO_CHAMPION, headers=wait)
        return found, found.champion

    @contextmanager
    def champion_in_use(self) -> Generator[tuple[Lineup, ServedModel]]:
        """Provide the models, and keep the champion open; refuse if there is no champion.

        A champion that is replaced at this moment gives way to the next one.
        """
        with ExitStack() as stack:
            while True:
                lineup, champion = self.lineup()
                with suppress(NoLongerServed):
                    stack.enter_context(champion.in_use())
                    break
            yield lineup, champion

    def predict(
        self, body: bytes, request_id: str, subject: str | None = None, *, explain: bool = False
    ) -> dict[str, Any]:
        """Return the answer for a body. It is in the log before this returns.

        `subject` names whom the rows are about: it decides whether the canary answers.
        """
        given, _ = parse(body, self.settings.rows)
        asked = PredictionRequest(request_id, datetime.now(UTC), explain, pseudonym(subject))
        with self.champion_in_use() as (lineup, champion):
            rows = champion.reader.read(given)
            if asked.explain or (self.explanations and self.explanations.serve == "all"):
                require_explainable(champion, len(given))
            self._append("sensitive", sensitive_records(asked, rows))
            answer = None
            if lineup.canary is not None and is_canary(lineup, subject, self.arm):
                answer = self._try(lineup.canary, "canary", given, rows, asked)
            answer = answer or self._ask(champion, rows, asked)
        if (shadow := lineup.shadow) is not None:
            self._shadow.put(lambda: self._try(shadow, "shadow", given, rows, asked))
        return {
            "request_id": request_id,
            "model": answer.model.name,
            "version": answer.model.number,
            "model_digest": answer.model.digest,
            "predictions": predictions(answer, explain=explain),
            "notes": answer.rows.notes,
        }

    def _ask(self, champion: ServedModel, rows: ReadRows, asked: PredictionRequest) -> ModelAnswer:
        """Return the champion's logged answer. A failure is logged and refuses the request."""
        try:
            answer = ask(champion, "champion", rows, explain=self._explains(asked))
        except Exception as error:
            self._log(asked, failed(champion, "champion", rows, error))
            if isinstance(error, ProcessEnded):
                self.hurry()
                raise RequestRefused(503, "no-champion", NO_CHAMPION, headers=SOON) from error
            if not isinstance(error, Problem):
                raise
            raise RequestRefused(
                422,
                "unpredictable-rows",
                "the model has no answer for these rows, for example because of missing values",
            ) from error
        self._log(asked, answer)
        return answer

    def _try(
        self,
        model: ServedModel,
        arm: Arm,
        given: list[dict[str, Any]],
        rows: ReadRows,
        asked: PredictionRequest,
    ) -> ModelAnswer | None:
        """Return the logged answer of a version that is tried; None after a failure, also logged.

        `rows` are the rows as the champion has read them.
        """
        try:
            with model.in_use():
                explains = arm == "canary" and self._explains(asked)
                answer = ask(model, arm, model.reader.read(given), explain=explains)
        except NoLongerServed:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the champion answers instead
            print(f"serve: {arm}: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
            self._log(asked, failed(model, arm, rows, error))
            return None
        self._log(asked, answer)
        return answer

    def _explains(self, asked: PredictionRequest) -> bool:
        """Return whether the policy or the request wants explanations."""
        policy = self.explanations
        if asked.explain or policy is None or policy.serve == "on_request":
            return asked.explain
        return policy.serve == "all" or int(asked.request_id[:8], 16) < policy.share * 2**32

    def _log(self, asked: PredictionRequest, answer: ModelAnswer) -> None:
        """Append the rows to the log; refuse the request if they cannot be written."""
        self._append("predictions", list(records(asked, answer)))
        if answer.error is None:
            columns = answer.columns
            self.recorder.predicted(
                answer.arm,
                labels(answer.model.data, columns["prediction"]),
                columns["score"],
                explained=sum(answer.explained),
            )

    def _append(self, name: LogStore, found: Sequence[dict[str, Any]]) -> None:
        try:
            dict(self.stores.named())[name].append(found)
            self.recorder.logged(name, len(found))
        except Problem as problem:
            self.recorder.unwritable(name)
            print(f"serve: {problem}", file=sys.stderr)
            raise RequestRefused(
                503,
                "log-unwritable",
                "the log cannot be written, so there is no answer",
                headers=SOON,
            ) from problem

    def keep_labels(self, body: bytes, request_id: str) -> dict[str, Any]:
        """Append labels to the ground truth; return how many were received."""
        given, _ = parse(body, self.settings.rows)
        with self.champion_in_use() as (_, champion):
            found = truths(given, champion.label_reader, champion.data, datetime.now(UTC))
        self._append("truth", found)
        return {"request_id": request_id, "labels": len(found)}

    def model(self) -> dict[str, Any]:
        """Return which version answers, its digests, why it is champion, and its card."""
        _, champion = self.lineup()
        return about(champion)

    def description(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the champion's columns."""
        _, champion = self.lineup()
        return described(champion, self.settings)

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return a scrape and its media type."""
        served = self.keeper.lineup.champion is not None
        self.recorder.ready(served)
        if not served:
            self.recorder.champion_served(False)
        for name, one in self.stores.named():
            self.recorder.log(
                name, lag_seconds=one.lag_seconds, size=one.bytes, vanished=one.vanished
            )
        return self.recorder.render(accept)

    def follow(self, view: LedgerView) -> None:
        """Take over the rules in force, and what the ledger says of the champion."""
        self.explanations = view.now.policy.explain
        told(self.recorder, self.keeper.lineup, view)

    def stop(self) -> None:
        """Answer what waits for the shadow, and close the stores."""
        self._shadow.stop()
        for _, store in self.stores.named():
            store.close()
        self.keeper.close()


def require_explainable(model: ServedModel, rows: int) -> None:
    """Refuse a request with more rows than a model explains at once."""
    most = model.prepare_explanations().most_rows
    if rows > most:
        detail = f"at most {most} rows are explained at once: send fewer rows"
        raise RequestRefused(422, "invalid-body", detail)


def is_canary(lineup: Lineup, subject: str | None, arm: SplitArm | None = None) -> bool:
    """Return whether the canary answers a subject. `arm` is whom the service answers as, if set."""
    canary = lineup.canary
    share = {None: lineup.share, "champion": 0.0, "canary": 100.0}[arm]
    return canary is not None and arm_of(subject, canary.digest, share) == "canary"

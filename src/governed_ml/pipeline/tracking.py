"""MLflow tracking: one run per training, in the repository's store.

Training opens the run itself while the fit's process starts. For later metrics, a child process
imports MLflow and opens the store while the stage works.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from governed_ml.core.mlflow_store import answering, connect
from governed_ml.core.problem import Problem, first_line
from governed_ml.core.process_settings import quiet, readable

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

LONGEST = 250  # most characters of a name in MLflow


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested values to dotted names, for MLflow parameters."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def names(wanted: Iterable[str]) -> dict[str, str]:
    """Return name → valid and unique name for MLflow: allowed characters, limited length.

    A name that is shortened, or would duplicate another one, ends with part of its digest.
    """
    found: dict[str, str] = {}
    taken = set[str]()
    for name in sorted(set(wanted), key=lambda name: (_allowed(name) != name, name)):
        one = _allowed(name)
        if len(one) > LONGEST or one in taken:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            one = f"{one[: LONGEST - 9]}_{digest}"
        taken.add(one)
        found[name] = one
    return found


def _allowed(name: str) -> str:
    """Return a name with only the characters that MLflow allows; slashes stay only in paths."""
    one = re.sub(r"[^\w\-. /]" if os.name == "nt" else r"[^\w\-. :/]", "_", name)
    plain = posixpath.normpath(one) == one and not one.startswith(("/", ".."))
    return one if plain and one != "." else re.sub(r"[/.]", "_", one) or "_"


def begin(experiment: str) -> subprocess.Popen[str]:
    """Start the child process that opens the store; call `finish` with it later."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "governed_ml.pipeline.tracking", experiment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=readable(),
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def finish(
    child: subprocess.Popen[str], run_id: object, values: Mapping[str, float | None]
) -> dict[str, str]:
    """Wait until the store is open, and log metrics to a training's run, if there are any.

    Return a note about the result; raise `Problem` if the store does not answer.
    """
    return _asked(child, {"run_id": run_id, "values": dict(values)})


def open_run(experiment: str, name: str) -> str:
    """Open the store and start a run in it; return the run's id.

    The first call creates the store's tables. Raise `Problem` if the store does not answer.
    """
    known = connect(experiment)
    from mlflow.tracking import MlflowClient

    with answering():
        made = MlflowClient().create_run(known, run_name=name)
    return str(made.info.run_id)


def _asked(child: subprocess.Popen[str], job: dict[str, Any]) -> dict[str, str]:
    said, errors = child.communicate(json.dumps(job))
    if child.returncode:
        raise Problem(
            errors.strip().rpartition("\n")[2]
            or "the process that writes to MLflow was killed: run the stage again"
        )
    return json.loads(said.strip().rpartition("\n")[2])


def main(experiment: str) -> None:
    """Run as the child process: open the store, then do the job from standard input."""
    code = 0
    quiet()
    try:
        connect(experiment)
        text = sys.stdin.read()
        if text:  # otherwise the stage ended without a job
            print(json.dumps(log_metrics(**json.loads(text))))
    except Problem as problem:
        code = problem.exit_code
        print(problem, file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - the stage says it in its one line
        code = 2
        print(f"MLflow: {type(error).__name__}: {first_line(error)}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a normal exit takes a second with heavy libraries


def log_metrics(run_id: object, values: Mapping[str, float | None]) -> dict[str, str]:
    """Log metrics to a training's run; return a note if that run is not in this store.

    This happens if the training was restored from DVC's cache in another clone.
    """
    if not values:
        return {}
    import time

    from mlflow.entities import Metric, RunStatus
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    if not isinstance(run_id, str):
        return {"mlflow": "training has logged no run"}
    client, now = MlflowClient(), int(time.time() * 1000)
    known_as = names(values)
    measured = {known_as[name]: value for name, value in values.items() if value is not None}
    with answering():
        try:
            known = client.get_run(run_id).data.metrics
            entities = [
                Metric(name, value, now, _next_step(client, run_id, name) if name in known else 0)
                for name, value in measured.items()
            ]
            client.log_batch(run_id, metrics=entities)
        except MlflowException as error:
            if "not found" not in str(error):
                raise
            return {"mlflow": "the training's run is not in this store"}
    return {"mlflow_status": RunStatus.to_string(RunStatus.FINISHED)}


def _next_step(client: MlflowClient, run_id: str, name: str) -> int:
    """Return a step number after all existing ones, so that MLflow shows these values as latest."""
    return max((one.step for one in client.get_metric_history(run_id, name)), default=-1) + 1


if __name__ == "__main__":
    main(sys.argv[1])

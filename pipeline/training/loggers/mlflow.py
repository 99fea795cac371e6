"""MLflow: a local database unless the user's environment names a server (MLFLOW_TRACKING_URI)."""

import os
import time
from collections.abc import Mapping

from pipeline.storage.artifacts import locked
from pipeline.training.loggers.logger import LoggedRun

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient

_EXPERIMENT = "hssl-pipeline"
_TAG = "hssl.run"


class MlflowLogger:
    """One run of MLflow per artifact, found by its tag: a resumed training continues after its last step."""

    def __init__(self, run: LoggedRun):
        folder = run.folder / "mlflow"
        # Stages that start at the same time must not both create the database.
        with locked(folder):
            folder.mkdir(parents=True, exist_ok=True)
            uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve()}/mlflow.db")
            self._client = MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(_EXPERIMENT)
            if found is None:
                local = (folder / "artifacts").resolve().as_uri()
                location = None if "MLFLOW_TRACKING_URI" in os.environ else local
                experiment = self._client.create_experiment(_EXPERIMENT, artifact_location=location)
            else:
                experiment = found.experiment_id
        runs = self._client.search_runs([experiment], f"tags.`{_TAG}` = '{run.name}'")
        if runs:
            self._id = runs[0].info.run_id
            self.last_step = self._last_step(runs[0])
            self._client.update_run(self._id, status="RUNNING")
        else:
            made = self._client.create_run(experiment, run_name=run.name, tags={_TAG: run.name})
            self._id, self.last_step = made.info.run_id, 0

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        values = [Metric(name, value, now, step) for name, value in metrics.items()]
        self._client.log_batch(self._id, metrics=values)

    def close(self) -> None:
        self._client.set_terminated(self._id)

    def _last_step(self, run: Run) -> int:
        steps = [
            point.step
            for name in run.data.metrics
            for point in self._client.get_metric_history(self._id, name)
        ]
        return max(steps, default=0)

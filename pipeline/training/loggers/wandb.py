"""Weights & Biases: offline unless the user's environment says otherwise (WANDB_MODE)."""

import os
import shutil
from collections.abc import Mapping

from pipeline.storage.files import sha256_of_json
from pipeline.training.loggers.logger import LoggedRun

_OFFLINE = os.environ.get("WANDB_MODE", "offline") == "offline"
if _OFFLINE:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported

import wandb  # noqa: E402


class WandbLogger:
    """One run of wandb per artifact, with an id derived from the artifact's name.

    Offline, a resumed run rewrites its folder; online it continues after the last step on the server.
    """

    def __init__(self, run: LoggedRun):
        identity = sha256_of_json(run.name)[:16]
        folder = run.folder / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        if _OFFLINE:
            for old in folder.glob(f"wandb/offline-run-*-{identity}"):
                shutil.rmtree(old)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "hssl-pipeline"),
            name=run.name,
            id=identity,
            dir=str(folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            resume=None if _OFFLINE else "allow",
            # Metrics only: no statistics of the machine, no code, no console output.
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True
            ),
        )
        self.last_step = max(0, self._run.step - 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()
        wandb.teardown()  # waits for wandb's process, which still writes the file after `finish` has returned

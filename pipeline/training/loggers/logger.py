"""The interface of loggers, and the table of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class LoggedRun:
    """The run of one stage, as a logger shows it."""

    name: str  # unique to one artifact, e.g. "pretrain-hssl-seed0-3f2a9c01"
    folder: Path  # of all runs of all loggers: results/loggers


class Logger(Protocol):
    """Records metrics by step; constructed as `Logger(run)`.

    Attributes:
        last_step: the last step that it already has, from before a resume; 0: none.
    """

    last_step: int

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of a step; steps increase."""

    def close(self) -> None:
        """Write what is still buffered."""


@runtime_checkable
class PictureLogger(Protocol):
    """A logger that records pictures too."""

    def log_pictures(self, step: int, pictures: Mapping[str, Path]) -> None:
        """Record PNG files, by name, of a step whose metrics it has."""


@dataclass(frozen=True)
class _Kind:
    implementation: str  # for pkgutil.resolve_name
    package: str  # name in an import


# Name, also of the extra that installs it.
LOGGERS: dict[str, _Kind] = {
    "tensorboard": _Kind("pipeline.training.loggers.tensorboard:TensorBoardLogger", "tensorboardX"),
    "wandb": _Kind("pipeline.training.loggers.wandb:WandbLogger", "wandb"),
    "mlflow": _Kind("pipeline.training.loggers.mlflow:MlflowLogger", "mlflow"),
}


class LoggerMissing(RuntimeError):
    """A requested logger's library is not installed."""


def check_installed(names: tuple[str, ...]) -> None:
    """Check that the loggers' libraries are installed, without importing them.

    Raises:
        LoggerMissing: names the first missing library and its extra.
    """
    for name in names:
        if find_spec(LOGGERS[name].package) is None:
            raise LoggerMissing(
                f'runtime.loggers: "{name}" needs {LOGGERS[name].package}, which is not installed; '
                f"pip install -e '.[{name}]'"
            )


def open_logger(name: str, run: LoggedRun) -> Logger:
    """The logger with this name, for a run that may have been logged before."""
    return resolve_name(LOGGERS[name].implementation)(run)

"""What the loop needs of a logger, and which there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class LoggedRun:
    """The run of one stage, as a logger shows it."""

    name: str  # of one artifact alone, e.g. "pretrain-hssl-seed0-3f2a9c01"
    folder: Path  # of all runs of all loggers; results/loggers


class Logger(Protocol):
    """Takes numbers by step; made as `Logger(run)`.

    Attributes:
        last_step: the last one that it holds already, from before a resume; 0: none.
    """

    last_step: int

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Numbers after a step; steps rise."""

    def close(self) -> None:
        """Write what is not written yet."""


@runtime_checkable
class PictureLogger(Protocol):
    """A logger that takes pictures too."""

    def log_pictures(self, step: int, pictures: Mapping[str, Path]) -> None:
        """PNG files by name, drawn after a step whose numbers it has."""


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
    """A logger was asked for and its library is not installed."""


def check_installed(names: tuple[str, ...]) -> None:
    """See that the libraries of loggers are there, without importing them.

    Raises:
        LoggerMissing: names the library and the extra of the first that is not.
    """
    for name in names:
        if find_spec(LOGGERS[name].package) is None:
            raise LoggerMissing(
                f'runtime.loggers: "{name}" needs {LOGGERS[name].package}, which is not installed; '
                f"pip install -e '.[{name}]'"
            )


def open_logger(name: str, run: LoggedRun) -> Logger:
    """The logger of a name, for a run that may have been logged before."""
    return resolve_name(LOGGERS[name].implementation)(run)

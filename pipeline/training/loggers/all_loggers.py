"""Metrics of a training to every logger that was asked for; none of them can stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.artifacts import JOB
from pipeline.storage.files import read_json
from pipeline.training.loggers.logger import LoggedRun, Logger, PictureLogger, check_installed, open_logger
from pipeline.training.metrics_log import METRICS, read_metrics
from pipeline.training.pictures_of_steps import pictures_of_step
from pipeline.training.progress import Progress


@contextmanager
def logging_to(
    names: tuple[str, ...], output: Path, say: Callable[[str], None]
) -> Iterator[Callable[[Progress], None]]:
    """Yield what the loop is to report to.

    A logger opens with the first report, when the log is back at the step that the training goes on from,
    and is given the lines that it does not hold. One that fails is said once and left out from then on.

    Args:
        names: of `LOGGERS`.
        output: artifact of the stage, with its metrics.jsonl.
        say: prints a line.

    Raises:
        LoggerMissing: the library of one is not installed.
    """
    check_installed(names)
    loggers: dict[str, Logger] = {}
    waiting, dropped = list(names), set()

    def safely(name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever it is: a log is worth less than a training
            dropped.add(name)
            loggers.pop(name, None)
            told = str(error).strip().partition("\n")[0]
            say(
                f"runtime.loggers: {name} failed and is left out from here on: {type(error).__name__}: {told}"
            )

    def catch_up(name: str) -> None:
        logger = loggers[name] = open_logger(name, run_of(output))
        for line in read_metrics(output / METRICS):
            _log(logger, line, output)

    def report(progress: Progress) -> None:
        while waiting:
            name = waiting.pop(0)
            safely(name, lambda name=name: catch_up(name))
        for name, logger in list(loggers.items()):
            safely(name, lambda logger=logger: _log(logger, progress.metrics, output))

    try:
        yield report
    finally:
        for name, logger in list(loggers.items()):
            safely(name, logger.close)


def run_of(output: Path) -> LoggedRun:
    """The run of a stage's artifact, `results/artifacts/<stage>/<fingerprint>`."""
    job = read_json(output / JOB)
    words = (job["stage"], job["name"], output.name[:8])
    return LoggedRun("-".join(word for word in words if word), output.resolve().parents[2] / "loggers")


def _log(logger: Logger, line: dict[str, float], output: Path) -> None:
    """Hand on a line of the log, and what was drawn after its step, unless the logger holds it."""
    if line["step"] > logger.last_step:
        logger.log(line["step"], {name: value for name, value in line.items() if name != "step"})
        pictures = pictures_of_step(output, line["step"])
        if pictures and isinstance(logger, PictureLogger):
            logger.log_pictures(line["step"], pictures)
        logger.last_step = line["step"]

"""Forwards the metrics of a training to all requested loggers; a failing logger never stops the training."""

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
    """Yield a function that passes each `Progress` to the loggers.

    A logger opens with the first report, after the log was cut back to the step from which the training
    resumes, and gets the lines that it does not have. One that fails is reported once and then left out.

    Args:
        names: keys of `LOGGERS`.
        output: the stage's artifact, with its metrics.jsonl.
        say: prints a line.

    Raises:
        LoggerMissing: a logger's library is not installed.
    """
    check_installed(names)
    loggers: dict[str, Logger] = {}
    waiting, dropped = list(names), set()

    def safely(name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # any: a log is worth less than a training
            dropped.add(name)
            loggers.pop(name, None)
            first_line = str(error).strip().partition("\n")[0]
            reason = f"{type(error).__name__}: {first_line}"
            say(f"runtime.loggers: {name} failed and is left out from here on: {reason}")

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
    parts = (job["stage"], job["name"], output.name[:8])
    return LoggedRun("-".join(part for part in parts if part), output.resolve().parents[2] / "loggers")


def _log(logger: Logger, line: dict[str, float], output: Path) -> None:
    """Pass on a line of the log and the pictures of its step, unless the logger has them already."""
    if line["step"] > logger.last_step:
        logger.log(line["step"], {name: value for name, value in line.items() if name != "step"})
        pictures = pictures_of_step(output, line["step"])
        if pictures and isinstance(logger, PictureLogger):
            logger.log_pictures(line["step"], pictures)
        logger.last_step = line["step"]

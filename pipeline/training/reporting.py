"""Reports of a training while it runs: a progress bar, and the loggers that the user chose."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from tqdm import tqdm

from pipeline.config.stages import RuntimeConfig
from pipeline.training.loggers.all_loggers import logging_to
from pipeline.training.progress import Progress
from pipeline.training.progress_bar import step_bar


@contextmanager
def reporting(
    notes: Callable[[], str | None], output: Path, runtime: RuntimeConfig, *, title: str | None = None
) -> Iterator[Callable[[Progress], None]]:
    """Yield the loop's `report` function: it updates the progress bar and the loggers.

    Args:
        notes, title: see `step_bar`.
        output: the stage's artifact.

    Raises:
        LoggerMissing: a requested logger's library is not installed.
    """
    with step_bar(title, notes) as show, logging_to(runtime.loggers, output, tqdm.write) as log:

        def report(progress: Progress) -> None:
            show(progress)
            log(progress)

        yield report


def quiet() -> AbstractContextManager[Callable[[Progress], None]]:
    """In place of `reporting` in ranks other than 0: reports nothing."""
    return nullcontext(lambda progress: None)

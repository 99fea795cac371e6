"""What a training tells while it runs: a bar, and the loggers that the user asked for."""

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
    """Yield what the loop is to report to.

    Args:
        notes, title: see `step_bar`.
        output: artifact of the stage.

    Raises:
        LoggerMissing: a logger was asked for and is not installed.
    """
    with step_bar(title, notes) as show, logging_to(runtime.loggers, output, tqdm.write) as log:

        def report(progress: Progress) -> None:
            show(progress)
            log(progress)

        yield report


def quiet() -> AbstractContextManager[Callable[[Progress], None]]:
    """Likewise, of a rank other than the first: it reports nothing."""
    return nullcontext(lambda progress: None)

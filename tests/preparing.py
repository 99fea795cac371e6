"""Prepares data sets for tests of the result."""

import itertools
from collections.abc import Callable
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare


def preparing_in(folder: Path, **always) -> Callable[..., PreparedDataset]:
    """prepared(source, **section): the data set that one process prepares, with `always` as defaults."""
    numbers = itertools.count()

    def run(source: Path, **section) -> PreparedDataset:
        output = folder / f"prepared-{next(numbers)}"
        prepare(DataConfig(source=str(source), **(always | section)), output, num_workers=1)
        return PreparedDataset.open(output)

    return run

"""A stage's training as its program makes it, with all its networks and batches, without being trained.

A fine-tuning's network comes of the stage's inputs, its losses of the network: the stage's own program alone
puts them together. It is run up to its training.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pipeline.finetune.training
import pipeline.pretrain.training
import pipeline.search.training
from pipeline.training.loop import Training

_TRAIN = (pipeline.pretrain.training, pipeline.finetune.training, pipeline.search.training)


class _Reached(BaseException):
    """Leaves the stage's program; no error, which a stage might take for its own."""

    def __init__(self, training: Training):
        super().__init__()
        self.training = training


def training_of(run: Callable[[], object]) -> Training | None:
    """The training that `run` would start; None: it ended without one."""
    try:
        with _stopped_at_training():
            run()
    except _Reached as reached:
        return reached.training
    return None


@contextmanager
def _stopped_at_training() -> Iterator[None]:
    def reached(training: Training, *given: Any, **named: Any) -> NoReturn:
        raise _Reached(training)

    before = [module.train for module in _TRAIN]
    for module in _TRAIN:
        module.train = reached
    try:
        yield
    finally:
        for module, train in zip(_TRAIN, before, strict=True):
            module.train = train

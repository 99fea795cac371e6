"""A stage's training, with its networks and batches, built by running the stage's program up to `train`.

Only that program knows how to build it: a fine-tuning's network depends on the stage's inputs, and its losses
on the network.
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
    """Leaves the stage's program. Not an `Exception`, which the stage might catch."""

    def __init__(self, training: Training):
        super().__init__()
        self.training = training


def training_of(run: Callable[[], object]) -> Training | None:
    """The training that `run` would start; None if it ends without one."""
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

"""Base class of the timed pretraining steps: sizes, inputs, and repeats."""

import time
from abc import ABC, abstractmethod
from typing import Any

from benchmarks.step_inputs import step_batches, step_rates
from benchmarks.step_sizes import step_config


class TimedStep(ABC):
    """The same images, masks and rates for every program.

    Args:
        parameters: `size`, a key of STEP_SIZES; `changes`, options that differ; `steps`, per repeat.
    """

    def __init__(self, parameters: dict):
        self.config = step_config(parameters["size"], parameters.get("changes"))
        self.batches, self.rates = step_batches(self.config), step_rates(self.config)
        self.steps = parameters.get("steps", 1)

    def repeat(self) -> float:
        """Seconds of `steps` steps."""
        self._wait()
        started = time.perf_counter()
        for _ in range(self.steps):
            self._step()
        self._wait()
        return time.perf_counter() - started

    @abstractmethod
    def _step(self) -> Any:
        """One step on the next batch; returns its loss."""

    @abstractmethod
    def _wait(self) -> None:
        """Wait until all steps are computed."""

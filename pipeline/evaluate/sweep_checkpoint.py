"""Keeps the state of a linear sweep on disk while it trains, so that a killed one goes on where it was."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.checkpoint_files import delete_checkpoints, newest_intact, write_newest
from pipeline.training.end_warning import EndWarning
from pipeline.weights.error import WeightsError


class SweepCheckpoint:
    """A `SweepKeeper` that writes to a folder every few minutes, and when the process is warned of its end.

    Args:
        run: digest of all that decides the result; a checkpoint of another one is refused.
        minutes: between two checkpoints.
        say: told where the sweep goes on, and of a damaged checkpoint.
        restored: called with the number of batches that were done, if there is a checkpoint.
        ranks: that train together, each with the whole state. All read the checkpoint; the first writes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        minutes: float,
        say: Callable[[str], None],
        restored: Callable[[int], None],
        ranks: Ranks = SINGLE_PROCESS,
    ):
        self._folder, self._run, self._minutes = folder, run, minutes
        self._say, self._restored, self._ranks = say, restored, ranks
        self._saved = time.monotonic()
        self._warning = EndWarning()

    def restore(self, state: Mapping[str, np.ndarray]) -> int:
        """Fill the arrays of the newest whole checkpoint into `state`; the number of batches done.

        Raises:
            WeightsError: the checkpoint is of another run, or of other arrays.
        """
        with self._ranks.first_before_others():  # it moves what is damaged out of the way
            saved = newest_intact(self._folder, self._say)
        if saved is None:
            return 0
        done = saved.metadata["step"]
        shapes = {name: (array.shape, array.dtype) for name, array in saved.arrays.items()}
        expected = {name: (array.shape, array.dtype) for name, array in state.items()}
        if saved.metadata["run"] != self._run or shapes != expected or type(done) is not int:
            raise WeightsError(f"{saved.path}: belongs to another configuration; delete it to start afresh")
        for name, array in state.items():
            array[...] = saved.arrays[name]
        self._say(f"goes on after batch {done}")
        self._restored(done)
        return done

    def keep(self, state: Mapping[str, np.ndarray], num_batches: int) -> None:
        """Write a checkpoint if it is time; end the process if it was warned."""
        now, ends = time.monotonic(), self._ranks.broadcast_decision(self._warning.given)
        if self._ranks.is_first and (ends or now - self._saved >= 60 * self._minutes):
            write_newest(self._folder, state, {"step": num_batches, "run": self._run})
            self._saved = now
        if ends:
            self._warning.end()

    def finish(self) -> None:
        """Delete the checkpoints of a sweep whose results are written."""
        self._warning.close()
        delete_checkpoints(self._folder)
